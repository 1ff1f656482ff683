"""Looks in the venue's own list for orders whose records Redis may have lost, before anything is sent a second time."""

from __future__ import annotations

from typing import Final

import structlog

from shared.domain.order import Kind, OrderState, leg_id
from shared.domain.values.money import ZERO, plain
from shared.execution.leg import TrackedOrder
from shared.execution.outcome import Executed
from shared.execution.record import OrderRecord
from shared.execution.recovery.venue_history import VenueHistory
from shared.execution.resolution import poll_until_final
from shared.execution.sender import Sender
from shared.venues.port import VenueOrder, VenueOrderStatus

_LEGS_FORGOTTEN: Final = 10
"""How many legs of an exit a Redis that lost its last second may have lost, those that traded nothing included."""

log = structlog.get_logger()


async def recover_lost_record(
    sender: Sender, history: VenueHistory, order: TrackedOrder, number: int, *, closes_all: bool
) -> bool:
    """Write a leg's record again if the venue's list has the leg, and return True; False proves that none was accepted.

    Filled or not: an order that ended with nothing has ended, and its id is not sent again. Later legs are looked for too:
    Redis may have lost several at once. Waits while the account is parked. `closes_all`: the order sells all that is held, so
    its target need not be known.
    """
    last = number if order.kind is Kind.ENTRY else number + _LEGS_FORGOTTEN
    found = [(leg, known) for leg in range(number, last + 1) if (known := await _ended(sender, history, order, leg))]
    if not found:
        return False
    log.warning("the venue knows an order that Redis forgot", signal_id=order.signal_id, user=sender.user)
    leg, known = found[0]
    fields = OrderRecord.found(order, leg, known)
    traded = sum((known.filled.amount for _, known in found), ZERO)
    if traded and not closes_all and OrderRecord.read(await sender.store.load(order.id)).target is None:
        # The target was lost as well: use the sum of the legs. If nothing was traded, the caller sizes it again.
        fields["target"] = plain(traded)
    await sender.store.move(order.id, OrderState.UNKNOWN, fields)
    return True


async def _ended(sender: Sender, history: VenueHistory, order: TrackedOrder, number: int) -> VenueOrder | None:
    """Return a leg after its end: the target cannot be derived from what an open one has traded so far."""
    client_id = leg_id(order.id, number)
    attempt = sender.attempts.get(client_id)
    # The list need not be late enough for an attempt of which nothing has left.
    may_have_left = attempt if attempt is not None and attempt.may_have_left else None
    known = await history.find(client_id, decided_at=order.decided_at, attempt=may_have_left)
    if known is None or known.status is VenueOrderStatus.DONE:
        return known
    outcome = await poll_until_final(sender, order, OrderRecord.read(OrderRecord.found(order, number, known)))
    return outcome.order if isinstance(outcome, Executed) else known
