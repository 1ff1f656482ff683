"""The clocks that sending and resolving use, passed in so that tests need not wait.

Instants are the venue's time, epoch ms. Nothing that money depends on uses this host's wall clock: it may be wrong, and it may
step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.venues.venue_clock import VenueTime


class Clock(Protocol):
    """The venue's time, a clock that does not step, and a way to wait."""

    def now(self) -> int:
        """Return the best estimate of the venue's time."""
        ...

    def earliest(self) -> int:
        """Return the earliest that the venue's clock can show: only by this has an instant passed at the venue."""
        ...

    def steady(self) -> float:
        """Return seconds of a clock that does not step."""
        ...

    def sleep(self, seconds: float) -> Awaitable[object]:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class AccountClock:
    """The clock of an account at a venue whose time is measured."""

    venue: VenueTime
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    def now(self) -> int:
        """Return the best estimate of the venue's time."""
        return self.venue()

    def earliest(self) -> int:
        """Return the earliest that the venue's clock can show."""
        return self.venue.earliest()
