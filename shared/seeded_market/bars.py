"""Candles at three resolutions, cheap enough to keep for every symbol.

A minute level, a quarter-hour level and a four-hour level; any interval that a venue offers is built from the
coarsest level that divides it. Prices are whole ticks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

LEVELS: Final = (60, 900, 14400)  # seconds
KEPT: Final = (3900, 3000, 4400)  # bars per level: 720 candles of 5 minutes, of 1 hour, of 1 day


class Bar:
    """One candle: start in seconds, prices in ticks, volume in base, value = sum of ticks x volume."""

    __slots__ = ("close", "count", "high", "low", "open", "start", "value", "volume")

    def __init__(self, start: int, ticks: int, volume: float = 0.0, count: int = 0) -> None:
        self.start = start
        self.open = self.high = self.low = self.close = ticks
        self.volume = volume
        self.value = ticks * volume
        self.count = count

    def trade(self, ticks: int, volume: float) -> None:
        """Add one trade of the market."""
        if ticks > self.high:
            self.high = ticks
        elif ticks < self.low:
            self.low = ticks
        self.close = ticks
        self.volume += volume
        self.value += ticks * volume
        self.count += 1

    def absorb(self, later: Bar) -> None:
        """Add a later bar of the same candle."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.value += later.value
        self.count += later.count

    def starting(self, start: int) -> Bar:
        """Return a copy of this bar with another start."""
        copy = Bar(start, self.open, self.volume, self.count)
        copy.high, copy.low, copy.close, copy.value = self.high, self.low, self.close, self.value
        return copy


def level_of(minutes: int) -> int:
    """Return the level from which candles of this interval are built."""
    return 0 if minutes < 15 else 1 if minutes < 240 else 2


def group(bars: Iterable[Bar], seconds: int) -> list[Bar]:
    """Combine bars of a finer level into candles of this many seconds, oldest first."""
    grouped: list[Bar] = []
    for bar in bars:
        start = bar.start - bar.start % seconds
        if grouped and grouped[-1].start == start:
            grouped[-1].absorb(bar)
        else:
            grouped.append(bar.starting(start))
    return grouped


class BarHistory:
    """The candles of one symbol: finished minutes combined into the coarser levels, and the present minute."""

    def __init__(self) -> None:
        self._levels: tuple[deque[Bar], ...] = tuple(deque(maxlen=kept) for kept in KEPT)
        self.forming: Bar | None = None

    def trade(self, second: int, ticks: int, volume: float) -> None:
        """Record one trade at a market second."""
        forming = self.forming
        start = second - second % 60
        if forming is None or forming.start != start:
            if forming is not None:
                self._finish(forming)
            self.forming = Bar(start, ticks if forming is None else forming.close)
            self.forming.trade(ticks, volume)
            return
        forming.trade(ticks, volume)

    def prepend(self, minutes: list[Bar], quarters: list[Bar], days: list[Bar]) -> None:
        """Insert generated history before the recorded one: each list oldest first and older than the finer one."""
        quarters = quarters + group(minutes, LEVELS[1])
        days = days + group(quarters, LEVELS[2])
        for level, seconds, older in zip(self._levels, LEVELS, (minutes, quarters, days), strict=True):
            newer = list(level)
            level.clear()
            level.extend(group([*older, *newer], seconds))

    def prepend_history(self, past: BarHistory) -> None:
        """Insert another history before this one, each level as far back as it goes."""
        older = [list(level) for level in past._levels]
        if past.forming is not None:
            older[0].append(past.forming)
        edge = older[0][0].start
        for fine, coarse, seconds in ((0, 1, LEVELS[1]), (1, 2, LEVELS[2])):
            edge = older[fine][0].start if older[fine] else edge
            if len(older[fine]) >= KEPT[fine]:  # it was cut: begin it where a coarser bar begins
                edge += -edge % LEVELS[2]
                older[fine] = [bar for bar in older[fine] if bar.start >= edge]
            older[coarse] = [bar for bar in older[coarse] if bar.start + seconds <= edge]
        self.prepend(*older)

    def candles(self, minutes: int, count: int) -> list[Bar]:
        """Return the last `count` candles, oldest first; the last one is unfinished."""
        seconds = minutes * 60
        index = level_of(minutes)
        per_candle = seconds // LEVELS[index]
        level = self._levels[index]
        wanted = per_candle * (count + 1)
        recent = list(islice(level, max(0, len(level) - wanted), None))
        if self.forming is not None:
            recent.append(self.forming)
        return group(recent, seconds)[-count:]

    def _finish(self, minute: Bar) -> None:
        for level, seconds in zip(self._levels, LEVELS, strict=True):
            start = minute.start - minute.start % seconds
            if level and level[-1].start == start:
                level[-1].absorb(minute)
            else:
                level.append(minute.starting(start))
