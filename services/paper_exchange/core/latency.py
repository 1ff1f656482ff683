"""The time that requests, answers and stream messages are on their way: drawn from a seed, so that a run can be repeated.

A venue on the same machine answers in a millisecond, which hides what a real one does to a program: rate counters that recover
while calls are on their way, requests of one key that overtake each other, prices that have moved. A request counts when it
arrives, after its way in; its answer leaves at once and arrives after its way out. What a venue decides never depends on this.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

Sleep = Callable[[float], Awaitable[None]]


class Latency:
    """There and back takes between two times, half of it each way. Without times everything is at once."""

    def __init__(
        self, least_ms: float = 0.0, most_ms: float = 0.0, seed: int = 0, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._least = least_ms / 1000
        self._most = most_ms / 1000
        self._rng = random.Random(f"{seed}/latency")  # noqa: S311  # repeatable random numbers, not a secret
        self._sleep = sleep

    @property
    def off(self) -> bool:
        """Whether everything is at once."""
        return self._most == 0

    def one_way(self) -> float:
        """Draw the time of one way, in seconds."""
        return 0.0 if self.off else self._rng.uniform(self._least, self._most) / 2

    async def wait(self, seconds: float) -> None:
        """Wait that long; not even for the event loop if it is no time."""
        if seconds > 0:
            await self._sleep(seconds)


AT_ONCE: Final = Latency()


class OneWay:
    """One direction of one connection: what is sent later never arrives earlier."""

    def __init__(self, latency: Latency, steady: Callable[[], float] = time.monotonic) -> None:
        self._latency = latency
        self._steady = steady
        self._last = 0.0

    def arrival(self) -> float:
        """Return the steady instant at which what is sent now arrives; 0 if everything is at once."""
        if self._latency.off:
            return 0.0
        self._last = max(self._last, self._steady() + self._latency.one_way())
        return self._last

    async def until(self, arrival: float) -> None:
        """Wait for that instant."""
        if arrival:
            await self._latency.wait(arrival - self._steady())
