"""What an operator saw at the venue of an order that the venue does not report any more, as an addition to the order's record.

It only adds the verdict. The executor (or the master) that resolves the order reads it there, books it and reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.values.money import plain
from shared.ledger.open_issues import UNRESOLVED_STATES
from shared.operations.errors import ActionRefused


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order's record, and the process that serves its user (empty: none)."""

    user: str
    order_id: str
    fields: Mapping[str, str]
    owner: str = ""


async def find_order(bus: Bus, order_id: str, user: str) -> StoredOrder | None:
    """Find the record of an order, of this user or of any; None if there is none. Raises BusUnavailable."""
    try:
        wanted = str(UUID(order_id))
    except ValueError:
        return None
    owners = [user] if user else sorted({user_of(name) for name in await bus.scan(keys.order("*", wanted))})
    for each in owners:
        record, owner = await bus.do_all([("HGETALL", keys.order(each, wanted)), ("GET", keys.lease(each))])
        if fields := pairs(record):
            return StoredOrder(each, wanted, fields, owner if isinstance(owner, str) else "")
    return None


def build_verdict(
    fields: Mapping[str, str], *, filled: bool, size: str, price: str, fee: str, by: str, at: int, option: str = ""
) -> VerdictRecord:
    """Build the verdict on a record from what was typed; `option` comes before the names in errors. Raises ActionRefused."""
    state = fields.get("state", "")
    if state not in UNRESOLVED_STATES:
        raise ActionRefused(f"the order is {state or 'not begun'}: there is nothing to settle by hand")
    if not filled:
        return VerdictRecord(verdict=VerdictKind.NONE, verdict_by=by, verdict_at=at)
    asked = _number("base_size of the record", fields.get("base_size") or "0")
    amount = _number(f"{option}size", size) if size else asked
    if not 0 < amount <= asked:
        raise ActionRefused(
            f"{option}size {plain(amount)}: it must be above 0 and at most {plain(asked)}, the size of the order"
        )
    written = price or fields.get("limit_price", "")
    if not written:
        raise ActionRefused(f"{option}price is needed: this order has no limit price")
    paid = _number(f"{option}price", written)
    if paid <= 0:
        raise ActionRefused(f"{option}price must be above 0")
    return VerdictRecord(
        verdict=VerdictKind.FILLED,
        verdict_size=amount,
        verdict_price=paid,
        verdict_fee=_number(f"{option}fee", fee),
        verdict_by=by,
        verdict_at=at,
    )


def _number(name: str, text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ActionRefused(f"{name}: {text!r} is not a number") from None
    if not found.is_finite() or found < 0 or found.adjusted() > 15:
        raise ActionRefused(f"{name}: {text!r} is not an amount")
    return found
