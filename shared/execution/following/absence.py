"""When "no such order" is a proof: after the order's deadline at the venue plus the time for which a fresh one can be invisible.

By the venue's clock at the earliest it can show, and by a clock that does not step. When the next search is made depends on that.
It must never take another process's send for one of this process: what left there, and when, only its record tells.
"""

from __future__ import annotations

from typing import Final

from shared.domain.order import OrderState
from shared.execution.attempt import Attempt
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.execution.timing import SECOND

_NEAR, _FAR = 5.0, 10.0
"""Seconds until an absence is a proof. A search costs several calls out of a small budget: when the
proof is near, the next search is the one that proves; otherwise there is one more halfway, after `_FAR` at most, since a
request on its way may have arrived."""
_TIMER: Final = 0.005
"""Seconds by which a timer may fire early: a search just before the proof would have to be repeated."""


class Absence:
    """When the absence of one order is proved."""

    def __init__(self, sender: Sender, record: OrderRecord) -> None:
        self._sender = sender
        self._not_before = sender.clock.steady() + _steady_wait(sender, record)

    def provable_in(self, record: OrderRecord) -> float:
        """Return the seconds until "no such order" is a proof, for the record as it is now; below zero when it is."""
        sender = self._sender
        by_the_venue = (record.deadline_at + sender.timing.visible_after_ms - sender.clock.earliest()) / SECOND
        attempt = sender.attempts.get(record.client_order_id)
        own = by_the_venue if attempt is None else attempt.provable_in(sender.clock, sender.timing)
        if attempt is not None and is_of(record, attempt):
            return max(by_the_venue, own)
        # Another process sent it. An earlier attempt of this process counts as well.
        return max(by_the_venue, own, self._not_before - sender.clock.steady())


def until_search(provable_in: float) -> float:
    """Return the seconds until the next search for an order that the last one did not find."""
    return max(provable_in, 0.0) + _TIMER if provable_in <= _NEAR else min(provable_in / 2, _FAR)


def never_left(sender: Sender, record: OrderRecord) -> bool:
    """Return whether this process wrote the record ahead but never had the answer (Redis was lost): nothing was sent."""
    attempt = sender.attempts.get(record.client_order_id)
    return (
        attempt is not None
        and not attempt.may_have_left
        and record.state is OrderState.SENDING
        and is_of(record, attempt)
    )


def is_of(record: OrderRecord, attempt: Attempt) -> bool:
    """Return whether a record is of this attempt: another process may have begun one since."""
    return (record.fence, record.sent_at) == (attempt.fence, attempt.sent_at)


def _steady_wait(sender: Sender, record: OrderRecord) -> float:
    """Return the seconds, by the steady clock alone, until the deadline of another process's send has passed at the venue.

    Where nonces void older requests, the take-over's own call has ended what had not reached the venue by then; a request that
    had, and every request at a venue without nonces, may be queued until its deadline.
    """
    timing = sender.timing
    until_deadline = min(record.deadline_at - sender.clock.earliest(), timing.furthest_deadline_ms)
    return (max(until_deadline, 0) + timing.visible_after_ms) / SECOND
