"""An order of the master's strategy, and how it is read back from its record after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.leg import Leg, TrackedOrder
from shared.venues.port import VenueOrder

_MARK: Final = "5a0a1005"
"""Prefix of the strategy's client order ids: at the venue they identify its orders even if Redis lost the records."""


def own_id(random_id: str) -> str:
    """Return a UUID with the prefix of the strategy's orders."""
    return _MARK + random_id[len(_MARK) :]


def is_own_id(client_order_id: str) -> bool:
    """Return whether an order was placed by the strategy."""
    return client_order_id.startswith(f"{_MARK}-")


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """One order of the strategy. `id` is its client order id; `begun_at` in epoch ms; `reason` is the strategy's."""

    id: str
    venue: str
    symbol: Symbol
    side: Side
    size: Quantity
    limit_price: Price | None
    begun_at: int
    strategy: str
    reason: str = ""
    venue_order_id: str = ""
    record_lost: bool = False
    """Whether Redis has lost the record, and only the venue knows the order."""

    @property
    def kind(self) -> Kind:
        """On spot a buy opens and a sell closes."""
        return Kind.ENTRY if self.side is Side.BUY else Kind.EXIT

    def tracked(self) -> TrackedOrder:
        """Return it in the form that `shared/execution` takes."""
        more = {"strategy": self.strategy, "plan": self.reason}
        return TrackedOrder(
            self.id, MASTER, self.venue, self.symbol, self.side, self.kind, decided_at=self.begun_at, more=more
        )

    def leg(self) -> Leg:
        """Return its one leg."""
        return Leg(self.tracked(), 1, self.size, self.limit_price, self.size)

    @staticmethod
    def lost(order: VenueOrder, venue: str, strategy: str) -> OwnOrder:
        """Return the order for a venue's record that has our prefix and no record in Redis."""
        return OwnOrder(
            id=order.client_order_id,
            venue=venue,
            symbol=order.symbol,
            side=order.side,
            size=order.filled,
            limit_price=None,
            begun_at=order.opened_at,
            strategy=strategy,
            venue_order_id=order.venue_order_id,
            record_lost=True,
        )

    @staticmethod
    def read(order_id: str, fields: Mapping[str, str]) -> OwnOrder:
        """Parse its record. Raises KeyError, ValueError or ArithmeticError for what is none."""
        symbol = Symbol.parse(fields["symbol"])
        limit = fields.get("limit_price", "")
        return OwnOrder(
            id=order_id,
            venue=fields["venue"],
            symbol=symbol,
            side=Side(fields["side"]),
            size=Quantity(Decimal(fields["base_size"]), symbol.base),
            limit_price=Price(Decimal(limit), symbol) if limit else None,
            begun_at=int(fields["sent_at"]),
            strategy=fields.get("strategy", ""),
            reason=fields.get("plan", ""),
            venue_order_id=fields.get("venue_order_id", ""),
        )
