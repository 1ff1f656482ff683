"""The exchange's clocks, which are passed in everywhere.

Two clocks that must never be confused: the wall clock (order times, deadlines, rate counters, lockouts) and the market
clock (prices and candles), which a speed factor moves and a speed of 0 freezes.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The wall clock."""

    def now(self) -> float:
        """Return the instant, in seconds since the epoch."""
        ...


class SystemClock:
    """The system clock."""

    def now(self) -> float:
        """Return the instant, in seconds since the epoch."""
        return time.time()


class ManualClock:
    """A clock that moves only by `advance`; the fake for tests."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the instant, in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._now += seconds


class MarketClock:
    """Market time: starts at the wall clock's instant and runs `speed` times as fast. It never steps back."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._wall_anchor = clock.now()
        self._market_anchor = self._wall_anchor

    @property
    def speed(self) -> float:
        """Return the market seconds per wall second."""
        return self._speed

    def now(self) -> float:
        """Return market time, in seconds since the epoch."""
        return self._market_anchor + max(0.0, self._clock.now() - self._wall_anchor) * self._speed

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on; 0 freezes the market."""
        self._market_anchor = self.now()
        self._wall_anchor = self._clock.now()
        self._speed = speed
