"""An attempt to send an order, as this process remembers it: it outlives the lease under which it began."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from shared.execution.timing import PROVEN_AFTER_MS, VISIBLE_AFTER_MS
from shared.venues.venue_clock import VenueTime

_SECOND: Final = 1000


@dataclass(slots=True)
class Sent:
    """When this process began to send something, and from when on the venue's lists can prove that it never arrived."""

    at: int
    """Epoch ms, in the venue's time, as in the write-ahead record."""
    deadline_at: int
    """After this instant (epoch ms) the venue refuses the order."""
    provable_at: float
    """Seconds of a clock that does not step: by then the deadline is over at the venue, whatever is learnt of its clock later."""
    fence: str
    """The token of the lease under which it did."""
    left: bool = False
    """Whether it may be on its way: the write-ahead was answered. Without its answer nothing is sent."""

    @staticmethod
    def now(clock: VenueTime, deadline_at: int, fence: str) -> Sent:
        """Note an attempt that begins now, under a deadline that the venue is told.

        By the steady clock the deadline is over once the venue's clock, from the least that it shows now, has run up to it.
        """
        until_deadline = max(deadline_at - clock.earliest() + VISIBLE_AFTER_MS, PROVEN_AFTER_MS)
        return Sent(clock(), deadline_at, time.monotonic() + until_deadline / _SECOND, fence)

    def provable_in(self, clock: VenueTime) -> float:
        """Return the seconds until an absence that the venue tells is a proof; zero or less when it is. By both clocks."""
        by_the_venue = (self.deadline_at + VISIBLE_AFTER_MS - clock.earliest()) / _SECOND
        return max(by_the_venue, self.provable_at - time.monotonic())
