"""The end of an order that keeps failing: by the ids that it must have and the venue's record, whatever its own record holds.

An entry is ended and never sent again. Of an exit only the amount that it may have sold is determined; it is tried again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from services.executor.account.context import AccountContext
from services.executor.orders.settlement import settle
from shared.domain.order import Decision, EntryTerms, OrderState, leg_id
from shared.domain.values.money import ZERO
from shared.domain.values.numerals import DECIMAL, whole
from shared.execution.clock import Clock
from shared.execution.leg import TrackedOrder
from shared.execution.outcome import Executed, NeverReceived, describe
from shared.execution.record import OrderRecord
from shared.execution.resolution import poll_until_final
from shared.execution.sender import Sender
from shared.execution.timing import VENUE_TIMEOUT
from shared.execution.totals import LegTotals


async def end_entry(
    context: AccountContext, decision: Decision, terms: EntryTerms | None, entry_id: str, error: Exception
) -> None:
    """Resolve an entry and end it by the outcome. Waits until the venue's answer is a proof."""
    why = f"{type(error).__name__}: {error}"
    fields = await context.store.load(decision.id)
    order = TrackedOrder.of(decision, entry_id)
    outcome = await poll_until_final(context.sender, order, _by_ids(context.sender.clock, order, fields, 1))
    found = outcome.order if isinstance(outcome, Executed) else None
    if found is None or found.filled.amount == 0:
        words = outcome.reason if isinstance(outcome, NeverReceived) else describe(outcome.order)
        await settle(context, decision, entry_id, OrderState.FAILED, f"{words} ({why})")
        return
    in_full = terms is not None and found.filled >= terms.size
    await settle(
        context,
        decision,
        entry_id,
        OrderState.FILLED if in_full else OrderState.PARTIAL,
        f"{describe(found)} (found at the venue after: {why})",
        totals=LegTotals.nothing(decision.symbol).plus(found),
        traded=found,
        venue_order_id=found.venue_order_id,
        sent_at=whole(fields.get("sent_at")),
        accepted_at=found.opened_at,
    )


async def sold_unbooked(sender: Sender, decision: Decision, entry_id: str) -> Decimal | None:
    """Return how much an exit sold that is not booked yet, by the venue's record; None if that cannot be determined."""
    fields = await sender.store.load(decision.id)
    if fields.get("state", "") in {"", OrderState.PLANNED}:
        return ZERO
    leg, size = whole(fields.get("leg")), fields.get("base_size", "")
    most = Decimal(size) if DECIMAL.fullmatch(size) else None
    if leg is None:
        return most
    try:
        order = TrackedOrder.of(decision, entry_id)
        outcome = await poll_until_final(sender, order, _by_ids(sender.clock, order, fields, leg))
    except (ArithmeticError, LookupError, TypeError, ValueError):  # the answer itself may be what fails
        return most
    return outcome.order.filled.amount if isinstance(outcome, Executed) else ZERO


def _by_ids(clock: Clock, order: TrackedOrder, fields: Mapping[str, str], leg: int) -> OrderRecord:
    """Build the record of a leg from what cannot be damaged; of its instants, those that can be read and err on the safe side.

    The venue's id of the order is kept: an order that the venue has named is never taken for absent.
    """
    deadline = clock.now() + int(VENUE_TIMEOUT * 1000)  # as if it had been sent just now
    return replace(
        OrderRecord.read({}),
        id=order.id,
        state=OrderState.UNKNOWN,
        symbol=str(order.symbol),
        side=order.side,
        client_order_id=leg_id(order.id, leg),
        venue_order_id=fields.get("venue_order_id", ""),
        leg=leg,
        sent_at=min(whole(fields.get("sent_at")) or order.decided_at, order.decided_at),
        deadline_at=max(whole(fields.get("deadline_at")) or 0, deadline),
    )
