"""The passing of time, handed in: what waits or ages in here never asks the system itself, so that tests need not wait.

Instants are the venue's time. Nothing that money hangs on goes by this host's wall clock, which may be wrong and may step.
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
    """`now` gives epoch ms, `sleep` waits so many seconds, `steady` gives seconds of a clock that does not step."""

    now: Callable[[], int]
    sleep: Callable[[float], Awaitable[object]]
    steady: Callable[[], float] = time.monotonic
    least: Callable[[], int] | None = None
    """What the venue's clock shows at least (epoch ms), where `now` is an estimate."""
    refusal: Callable[[], str] = lambda: ""
    """Why this host's clock forbids entries just now; an empty text if it does not."""

    def earliest(self) -> int:
        """Return what the venue's clock shows at least: only by this may it be said that an instant is over there."""
        return self.now() if self.least is None else self.least()


def clock_of(venue: VenueClock, alarm: ClockAlarm) -> Clock:
    """Make the clock of an account from its venue's."""
    return Clock(now=venue, sleep=asyncio.sleep, least=venue.earliest, refusal=alarm.refusal)


def system_clock() -> Clock:
    """Give the clock of this machine."""
    return Clock(now=lambda: time.time_ns() // 1_000_000, sleep=asyncio.sleep)
