"""The stages of the canary ladder: what becomes of a user's entries, from play money to the whole size.

A stage concerns entries alone. Exits are never scaled and never only checked: they sell a share of what is held, at every stage,
so that no stage leaves a position without its exits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.values.money import ONE

_HOUR_MS: Final = 3_600_000


class Stage(StrEnum):
    """A stage, lowest first. A number is the share of the copied size that is placed."""

    PAPER = "paper"  # the whole size, at the paper exchange: the same as `paper = true`
    SHADOW = "shadow"  # the whole size, checked by the venue and never placed
    CANARY = "0.05"
    QUARTER = "0.25"
    FULL = "1"

    @property
    def share(self) -> Decimal:
        """Return the factor of sizes and of the caps on them."""
        return _SHARES.get(self, ONE)

    @property
    def reduced(self) -> bool:
        """Whether less than the whole size is placed."""
        return self in _SHARES or self is Stage.SHADOW


_SHARES: Final[Mapping[Stage, Decimal]] = {Stage.CANARY: Decimal("0.05"), Stage.QUARTER: Decimal("0.25")}
STEPS: Final = (Stage.SHADOW, Stage.CANARY, Stage.QUARTER, Stage.FULL)
"""The steps that are climbed and stepped back by themselves: all of one account. Between paper and real money only the operator
moves a user, since the key and the books are others."""


def rank(stage: Stage) -> int:
    """Return the number of a step; a paper account places everything, so it counts as the highest."""
    return len(STEPS) - 1 if stage is Stage.PAPER else STEPS.index(stage)


def step_above(stage: Stage) -> Stage | None:
    """Return the next higher step; None if there is none."""
    return None if rank(stage) + 1 == len(STEPS) else STEPS[rank(stage) + 1]


def step_below(stage: Stage) -> Stage | None:
    """Return the next lower step; None if there is none."""
    return None if stage is Stage.PAPER or not rank(stage) else STEPS[rank(stage) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePolicy:
    """A user's setting `[stage]`. Without `auto` the stage is `start`, and the other settings have no effect."""

    start: Stage = Stage.FULL
    max: Stage = Stage.FULL
    """The highest stage that is climbed to."""
    auto: bool = False
    trades: int = 20
    """How many clean trades in a row make one step up."""
    max_tracking_bps: Decimal = Decimal(25)
    """How far their prices may be from the master's on average, in either direction, in basis points."""
    faults: int = 3
    """How many faults within `fault_window_ms` make one step back."""
    fault_window_ms: int = _HOUR_MS

    def __str__(self) -> str:
        if self.on_paper:
            return f"{self.start}, until it is ready for real money" if self.auto else str(self.start)
        return f"from {self.start} by itself to {self.max} at most" if self.auto else str(self.start)

    @property
    def on_paper(self) -> bool:
        """Whether it begins on paper, where it stays: it says when it is ready, and a person moves it to real money."""
        return self.start is Stage.PAPER

    @property
    def ceiling(self) -> Stage:
        """Return the highest stage that the file allows."""
        return self.max if self.auto and not self.on_paper else self.start

    @property
    def smallest(self) -> Stage:
        """Return the stage with the smallest orders that the user comes to: what the venue's minimums have to let through."""
        climbs = self.auto and not self.on_paper
        return Stage.CANARY if climbs and self.max is not Stage.SHADOW else self.start

    @property
    def restricts(self) -> bool:
        """Whether an entry of this user may ever be less than a whole order."""
        return (self.auto and not self.on_paper) or self.start.reduced
