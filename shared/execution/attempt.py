"""An attempt to send an order, as this process remembers it, beyond the lease under which it began."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.execution.clock import Clock
from shared.execution.timing import SECOND, Timing


@dataclass(slots=True)
class Attempt:
    """When this process began a send, and from when on the venue's lists can prove that the order never arrived."""

    sent_at: int
    """Epoch ms, in the venue's time, as in the write-ahead record."""
    deadline_at: int
    """After this instant (epoch ms) the venue refuses the order."""
    provable_at: float
    """Steady instant (seconds) by which the deadline has passed at the venue, whatever is learnt about its clock later."""
    fence: str
    """The fencing token of the lease under which it began."""
    begun_at: float = -math.inf
    """Steady instant (seconds) at which it began."""
    may_have_left: bool = False
    """Whether the bytes may have left: the write-ahead was answered. Without that answer nothing is sent."""
    venue_order_id: str = ""
    """The venue's id of the order once it has accepted it: such an order is never absent, whatever its record says."""

    @staticmethod
    def begin(clock: Clock, timing: Timing, deadline_at: int, fence: str) -> Attempt:
        """Return an attempt that begins now, with the deadline that the venue is given.

        By the steady clock the deadline has passed once the venue's clock, counted from the earliest it can show now, has
        reached it.
        """
        until_deadline = max(deadline_at - clock.earliest() + timing.visible_after_ms, timing.proven_after_ms)
        begun_at = clock.steady()
        return Attempt(clock.now(), deadline_at, begun_at + until_deadline / SECOND, fence, begun_at)

    def provable_in(self, clock: Clock, timing: Timing) -> float:
        """Return the seconds until "no such order" is a proof, by both clocks; zero or less when it is."""
        by_the_venue = (self.deadline_at + timing.visible_after_ms - clock.earliest()) / SECOND
        return max(by_the_venue, self.provable_at - clock.steady())
