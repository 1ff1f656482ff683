"""One kind of fault, as a row of a venue's table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ailment:
    """`weight` among its like, `most` strikes at once, and what else the switch is told.

    One that `lasts` is a state of the venue for its `seconds`; one `of_a_pair` holds for one pair alone.
    """

    fault: str
    weight: int
    most: int = 6
    seconds: float | None = None
    method: str = ""
    error: str = ""
    lasts: bool = False
    of_a_pair: bool = False
    counted: bool = True


def condition(fault: str, seconds: float, weight: int = 1, *, of_a_pair: bool = False, counted: bool = True) -> Ailment:
    """Return the row of a state of the venue; one that is not `counted` ends with its time only."""
    return Ailment(fault, weight, most=20, seconds=seconds, lasts=True, of_a_pair=of_a_pair, counted=counted)
