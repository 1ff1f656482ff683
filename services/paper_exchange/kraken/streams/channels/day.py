"""The figures of a day that a ticker shows, exact at each step without reading a day's candles each time.

What was before the present minute is kept for that minute; the minute itself is added each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.paper_exchange.core.market.feed import Feed
from shared.seeded_market.bars import Bar


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Of the last 24 hours: prices in ticks, volume in base, value in ticks x base."""

    opened: int
    low: int
    high: int
    volume: float
    value: float

    def with_minute(self, bar: Bar) -> DayFigures:
        """Return the figures with one more minute."""
        low, high = min(self.low, bar.low), max(self.high, bar.high)
        return DayFigures(self.opened, low, high, self.volume + bar.volume, self.value + bar.value)


class Days:
    """The figures of every feed."""

    def __init__(self) -> None:
        self._before: dict[Feed, tuple[int, DayFigures]] = {}

    def of(self, feed: Feed) -> DayFigures:
        """Return a feed's figures as they are now."""
        minute = feed.candles(1, 1)[-1]
        known = self._before.get(feed)
        if known is None or known[0] != minute.start:
            known = self._before[feed] = (minute.start, _before(feed, minute))
        return known[1].with_minute(minute)


def _before(feed: Feed, minute: Bar) -> DayFigures:
    bars = feed.candles(5, 288)
    return DayFigures(
        bars[0].open,
        min(bar.low for bar in bars),
        max(bar.high for bar in bars),
        sum(bar.volume for bar in bars) - minute.volume,
        sum(bar.value for bar in bars) - minute.value,
    )
