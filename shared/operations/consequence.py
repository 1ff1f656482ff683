"""What an action would do, in words and numbers, as of one reading; computed before anybody is asked to confirm it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

TOLERANCE: Final = Decimal("0.05")
"""Relative change of a figure up to which a confirmation still holds: prices never stand still."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """`text` is the sentence that is confirmed; `details` are its lines, `notes` what stands against it or should be known.

    `facts` must be the same when it is done (the kill switch, the positions sold); `figures` may move by `TOLERANCE`.
    """

    of: str
    text: str
    details: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Decimal] = field(default_factory=dict)
    facts: object = None
    """JSON values only."""

    @property
    def digest(self) -> str:
        """Return what stands for `facts` in a confirmation."""
        return digest_of(self.facts)

    def is_near(self, figures: Mapping[str, Decimal]) -> bool:
        """Return whether these figures, shown before, are those of now within the tolerance."""
        names = {*self.figures, *figures}
        zero = Decimal(0)
        return all(_near(figures.get(name, zero), self.figures.get(name, zero)) for name in names)


def digest_of(value: object) -> str:
    """Return a short digest of JSON values."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _near(shown: Decimal, now: Decimal) -> bool:
    return abs(shown - now) <= TOLERANCE * abs(shown)
