"""Fee tiers by 30-day volume, maker and taker, in percent. The tables themselves belong to the venues' fronts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

DAY: Final = 86_400
WINDOW_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class FeeTier:
    """One row: the percentages from this volume (quote) on."""

    volume: Decimal
    taker: Decimal
    maker: Decimal


class FeeSchedule:
    """A venue's tiers, lowest volume first."""

    def __init__(self, tiers: Sequence[FeeTier]) -> None:
        self._tiers = tuple(tiers)

    @property
    def first(self) -> FeeTier:
        """Return the tier of a new account."""
        return self._tiers[0]

    @property
    def last(self) -> FeeTier:
        """Return the cheapest tier."""
        return self._tiers[-1]

    def tier(self, volume: Decimal) -> FeeTier:
        """Return the tier of a 30-day volume."""
        found = self._tiers[0]
        for tier in self._tiers:
            if volume < tier.volume:
                break
            found = tier
        return found

    def next(self, tier: FeeTier) -> FeeTier | None:
        """Return the next tier; None at the top."""
        index = self._tiers.index(tier) + 1
        return self._tiers[index] if index < len(self._tiers) else None


class RollingVolume:
    """The volume of an account in the last 30 days, by day of the wall clock."""

    def __init__(self) -> None:
        self._days: deque[tuple[int, Decimal]] = deque()
        self._total = Decimal(0)

    def add(self, now: float, cost: Decimal) -> None:
        """Add the cost of one fill, in quote."""
        day = int(now // DAY)
        if self._days and self._days[-1][0] == day:
            self._days[-1] = (day, self._days[-1][1] + cost)
        else:
            self._days.append((day, cost))
        self._total += cost

    def total(self, now: float) -> Decimal:
        """Return the volume at `now`."""
        oldest = int(now // DAY) - WINDOW_DAYS
        while self._days and self._days[0][0] <= oldest:
            self._total -= self._days.popleft()[1]
        return self._total
