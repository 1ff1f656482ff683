"""An order of the master's own: what is written ahead of its send, and read back after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.contracts.fields import text
from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import OrderRequest, VenueOrder

INVISIBLE_MS: Final = 5_000
"""How long after its deadline an order may still be missing from the venue's lists."""
_MARK: Final = "5a0a1005"
"""How the client order ids of the strategy's orders begin: at the venue they stay known as ours, whatever Redis forgets."""


def own_id(random_id: str) -> str:
    """Make a UUID into an id of the strategy's orders."""
    return _MARK + random_id[len(_MARK) :]


def is_own_id(client_order_id: str) -> bool:
    """Say whether an order was placed by the strategy."""
    return client_order_id.startswith(f"{_MARK}-")


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """One order of the strategy. `id` is its client order id at the venue; instants in epoch ms."""

    id: str
    venue: str
    symbol: Symbol
    side: Side
    size: Quantity
    limit_price: Price | None
    sent_at: int
    deadline_at: int
    strategy: str
    reason: str = ""
    venue_order_id: str = ""
    record_lost: bool = False
    """Whether only the venue still knows it, by its id: Redis has forgotten the record."""

    @property
    def kind(self) -> Kind:
        """On spot a buy opens and a sell closes."""
        return Kind.ENTRY if self.side is Side.BUY else Kind.EXIT

    def sent_by(self, deadline: int) -> OwnOrder:
        """Note the deadline that the venue is told: after it, it refuses the order by itself."""
        return replace(self, deadline_at=deadline)

    def taken_as(self, venue_order_id: str) -> OwnOrder:
        """Note the name that the venue gave it."""
        return replace(self, venue_order_id=venue_order_id)

    def request(self) -> OrderRequest:
        """Say it as the venue's port takes it."""
        return OrderRequest(self.id, self.symbol, self.side, self.size, self.limit_price, self.deadline_at)

    def fields(self) -> dict[str, str]:
        """Write it as the fields of its record."""
        values = {
            "id": self.id,
            "user": MASTER,
            "venue": self.venue,
            "symbol": self.symbol,
            "side": self.side,
            "kind": self.kind,
            "base_size": self.size.amount,
            "limit_price": self.limit_price.amount if self.limit_price else None,
            "sent_at": self.sent_at,
            "deadline_at": self.deadline_at,
            "strategy": self.strategy,
            "reason": self.reason,
        }
        return {name: text(value) for name, value in values.items()}

    @staticmethod
    def lost(order: VenueOrder, venue: str, strategy: str) -> OwnOrder:
        """Make it anew from the venue's record of an order with an id of ours, of which Redis has none."""
        return OwnOrder(
            id=order.client_order_id,
            venue=venue,
            symbol=order.symbol,
            side=order.side,
            size=order.filled,
            limit_price=None,
            sent_at=order.opened_at,
            deadline_at=order.opened_at,
            strategy=strategy,
            venue_order_id=order.venue_order_id,
            record_lost=True,
        )

    @staticmethod
    def read(order_id: str, fields: Mapping[str, str]) -> OwnOrder:
        """Read it back from its record; raises KeyError or ValueError if that is not one."""
        symbol = Symbol.parse(fields["symbol"])
        limit = fields.get("limit_price", "")
        return OwnOrder(
            id=order_id,
            venue=fields["venue"],
            symbol=symbol,
            side=Side(fields["side"]),
            size=Quantity(Decimal(fields["base_size"]), symbol.base),
            limit_price=Price(Decimal(limit), symbol) if limit else None,
            sent_at=int(fields["sent_at"]),
            deadline_at=int(fields["deadline_at"]),
            strategy=fields.get("strategy", ""),
            reason=fields.get("reason", ""),
            venue_order_id=fields.get("venue_order_id", ""),
        )
