"""The mirrored orders that have not ended, each with the master's order that it follows: for `ops resting`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from pydantic import BaseModel, ConfigDict

from shared.bus.connection import Bus
from shared.bus.order.mirrors import read_mirrors
from shared.bus.state.records import existing, pairs
from shared.contracts import keys
from shared.domain.mirror import Mirror
from shared.domain.values.money import plain
from shared.domain.values.venue import VENUES


class RestingOrderView(BaseModel):
    """One mirrored order. Sizes in base, limits in quote, as plain decimals; `reason` is why nothing of it is placed any more."""

    model_config = ConfigDict(frozen=True)

    user: str
    venue: str
    symbol: str
    side: str
    order_id: str
    state: str
    """Of its record: `accepted` while a leg rests, `planned` between two legs or before the first."""
    venue_order_id: str
    size: str
    limit_price: str
    filled: str
    master_order_id: str
    master_size: str
    master_limit: str
    master_filled: str
    master_ended: bool
    reason: str


async def read_resting(bus: Bus, users: Sequence[str]) -> tuple[list[RestingOrderView], dict[str, str]]:
    """Read the mirrored orders of these users, and why a record cannot be read, by user and the master's order id."""
    found: list[RestingOrderView] = []
    unreadable: dict[str, str] = {}
    named = {keys.mirrored(user, venue): (user, venue) for user in users for venue in VENUES}
    for name in await existing(bus, list(named)):
        user, venue = named[name]
        mirrors, bad = await read_mirrors(bus, user, venue)
        unreadable |= {f"{user}/{order_id}": why for order_id, why in bad.items()}
        for mirror in mirrors.values():
            fields = pairs(await bus.do("HGETALL", keys.order(user, mirror.decision.id)))
            found.append(_view(mirror, fields))
    return found, unreadable


def _view(mirror: Mirror, fields: dict[str, str]) -> RestingOrderView:
    decision = mirror.decision
    open_ = fields.get("venue_order_id", "")
    return RestingOrderView(
        user=decision.user,
        venue=decision.venue,
        symbol=str(decision.symbol),
        side=decision.side,
        order_id=decision.id,
        state=fields.get("state", "planned"),
        venue_order_id=open_,
        size=fields.get("base_size", "") if open_ else "",
        limit_price=fields.get("limit_price", "") if open_ else "",
        filled=plain(_amount(fields, "filled_size") + _amount(fields, "leg_filled")),
        master_order_id=mirror.master_order_id,
        master_size=plain(mirror.master_size),
        master_limit=plain(mirror.limit_price.amount),
        master_filled=plain(mirror.master_filled),
        master_ended=mirror.ended,
        reason=mirror.abandoned or mirror.blocked,
    )


def _amount(fields: dict[str, str], name: str) -> Decimal:
    try:
        return Decimal(fields.get(name) or 0)
    except InvalidOperation:
        return Decimal(0)
