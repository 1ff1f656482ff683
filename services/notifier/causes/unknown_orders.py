"""Reads orders without a proven end.

It asks for each user's pending entries, so it runs beside the other readings, at its own pace.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.config.notifications import Event
from shared.ledger.open_issues import UnresolvedOrder, read_unresolved


async def read_unknown_orders(bus: Bus, users: Collection[str]) -> Sequence[UnresolvedOrder]:
    """Read the unresolved orders of users.

    The master's are in its faults: finding its records takes a scan. Raises BusUnavailable.
    """
    return await read_unresolved(bus, users)


def of_orders(orders: Sequence[UnresolvedOrder], now: int, after_ms: int) -> list[Cause]:
    """Return those that have been open for longer than `after_ms` at `now` (epoch ms)."""
    return [_cause(each) for each in orders if each.sent_at is not None and now - each.sent_at > after_ms]


def _cause(order: UnresolvedOrder) -> Cause:
    fields = order.fields
    trade = " ".join(filter(None, (fields.get("side"), fields.get("base_size"), fields.get("symbol"))))
    last = f", last answer: {fields['reason']}" if fields.get("reason") else ""
    return Cause(
        event=Event.UNKNOWN_ORDER,
        key=f"{order.user}|{order.order_id}",
        who=order.user,
        what=f"order {order.order_id[:8]} ({trade}) is {order.state}: it may have traded, and nothing proves it{last}",
        since=order.sent_at,
        todo=f"ops unknown --user {order.user}; if it stays: ops resolve",
    )
