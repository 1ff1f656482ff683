"""An attempt to send an order, as this process remembers it: it outlives the lease under which it began."""

from __future__ import annotations

from dataclasses import dataclass

from shared.execution.clock import Clock
from shared.execution.timing import SECOND, Timing


@dataclass(slots=True)
class Attempt:
    """When this process began to send something, and from when on the venue's lists can prove that it never arrived."""

    sent_at: int
    """Epoch ms, in the venue's time, as in the write-ahead record."""
    deadline_at: int
    """After this instant (epoch ms) the venue refuses the order."""
    provable_at: float
    """Seconds of a clock that does not step: by then the deadline is over at the venue, whatever is learnt of its clock later."""
    fence: str
    """The token of the lease under which it did."""
    may_have_left: bool = False
    """Whether it may be on its way: the write-ahead was answered. Without its answer nothing is sent."""

    @staticmethod
    def begin(clock: Clock, timing: Timing, deadline_at: int, fence: str) -> Attempt:
        """Note an attempt that begins now, under a deadline that the venue is told.

        By the steady clock the deadline is over once the venue's clock, from the least that it shows now, has run up to it.
        """
        until_deadline = max(deadline_at - clock.earliest() + timing.visible_after_ms, timing.proven_after_ms)
        return Attempt(clock.now(), deadline_at, clock.steady() + until_deadline / SECOND, fence)

    def provable_in(self, clock: Clock, timing: Timing) -> float:
        """Return the seconds until an absence that the venue tells is a proof; zero or less when it is. By both clocks."""
        by_the_venue = (self.deadline_at + timing.visible_after_ms - clock.earliest()) / SECOND
        return max(by_the_venue, self.provable_at - clock.steady())
