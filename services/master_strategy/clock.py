"""The master's clock, passed in so that tests need not wait.

Instants are the venue's time. Nothing that money depends on uses this host's wall clock: it may be wrong, and it may step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.runtime.clock_alarm import ClockAlarm
from shared.venues.venue_clock import VenueClock


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` returns epoch ms, `sleep` waits (seconds), `steady` returns seconds of a clock that does not step."""

    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[object]]
    steady: Callable[[], float] = time.monotonic
    least: Callable[[], int] | None = None
    """The earliest that the venue's clock can show (epoch ms), if `now` is an estimate."""
    refusal: Callable[[], str] = lambda: ""
    """Returns why this host's clock forbids entries; an empty text if it does not."""

    def earliest(self) -> int:
        """Return the earliest that the venue's clock can show: only by this has an instant passed at the venue."""
        return self.now() if self.least is None else self.least()


def clock_of(venue: VenueClock, alarm: ClockAlarm) -> Clock:
    """Return the clock of an account from its venue's."""
    return Clock(now=venue, sleep=asyncio.sleep, least=venue.earliest, refusal=alarm.refusal)


def system_clock() -> Clock:
    """Return the clock of this machine."""
    return Clock(now=lambda: time.time_ns() // 1_000_000, sleep=asyncio.sleep)
