"""A time that only sleeping moves: backoffs and deadlines pass at once, and what the venue does happens when it is due."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from services.master_strategy.clock import Clock
from shared.execution.clock import AccountClock
from tests.unit.master_strategy.values import NOW


class SteppedTime:
    """The venue's clock (epoch ms), and the steady clock, which is a part of it: a step moves the venue's alone."""

    measured = True

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []
        self.stepped = 0
        self.uncertainty = 0
        """How far the venue's clock may be behind the estimate, in ms."""
        self._events: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> int:
        return self.now

    def earliest(self) -> int:
        return self.now - self.uncertainty

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn nothing: this is the venue's own clock."""

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn nothing."""

    @property
    def steady(self) -> float:
        return (self.now - self.stepped) / 1000

    async def sleep(self, seconds: float) -> None:
        """Move both clocks on, by a millisecond at least: a loop that waits for an instant must reach it."""
        self.slept.append(seconds)
        end = self.steady + math.ceil(seconds * 1000) / 1000
        for event in sorted(self._events, key=lambda each: each[0]):
            if event[0] <= end:
                self._events.remove(event)
                self._advance(max(event[0] - self.steady, 0.0))
                event[1]()
        self._advance(end - self.steady)
        await asyncio.sleep(0)

    def step(self, ms: int) -> None:
        """Set the venue's clock ahead, or back."""
        self.now += ms
        self.stepped += ms

    def at(self, steady: float, event: Callable[[], object]) -> None:
        """Have something happen when the steady clock shows an instant, before anything that waits for a later one."""
        self._events.append((steady, event))

    def account_clock(self) -> AccountClock:
        """The clock of an account at this venue."""
        return AccountClock(self, lambda: self.steady, self.sleep)

    def clock(self) -> Clock:
        """The same, as the master takes it."""
        return Clock(now=lambda: self.now, sleep=self.sleep, steady=lambda: self.steady, least=self.earliest)

    def _advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
