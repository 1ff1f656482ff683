"""The write-ahead record of an order, typed: what stands in `shoal:order:{user}:<id>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.order import Decision, Kind, OrderState, Side
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.venues.port import OrderRequest, VenueOrder


@dataclass(frozen=True, slots=True)
class Leg:
    """What is to be sent. `number` counts the legs of an exit from 1; an entry has one."""

    decision: Decision
    entry_id: str
    number: int
    size: Quantity
    limit_price: Price | None
    target: Quantity
    """What the whole order is to trade; later legs trade the rest of it."""

    def __post_init__(self) -> None:
        if self.decision.kind is Kind.ENTRY and self.limit_price is None:
            raise ValueError("an entry without a limit would buy at any price")


@dataclass(frozen=True, slots=True)
class Tally:
    """What all ended legs of an order came to. `fee` in quote, a fee in base valued at the fill."""

    filled: Quantity
    cost: Money
    fee: Money

    @staticmethod
    def nothing(symbol: Symbol) -> Tally:
        """Give the tally of an order of which nothing was traded."""
        return Tally(Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), Money(ZERO, symbol.quote))

    def plus(self, order: VenueOrder) -> Tally:
        """Add a leg's record."""
        return Tally(self.filled + order.filled, self.cost + order.cost, self.fee + quote_fee(order))

    @property
    def average_price(self) -> Price | None:
        """Average over all legs; None if nothing filled."""
        if self.filled.amount == 0:
            return None
        return Price(self.cost.amount / self.filled.amount, Symbol(self.filled.asset, self.cost.currency))

    def fields(self) -> dict[str, str]:
        """Write it into the record."""
        return {
            "filled_size": plain(self.filled.amount),
            "cost": plain(self.cost.amount),
            "fee": plain(self.fee.amount),
        }


def quote_fee(order: VenueOrder) -> Money:
    """Value an order's fee in its quote currency."""
    quote = order.symbol.quote
    if order.fee_asset == quote:
        return Money(order.fee, quote)
    price = order.average_price
    return Money(order.fee * price.amount if price else ZERO, quote)


def received_quantity(order: VenueOrder) -> Quantity:
    """Give what a buy brought: a fee that was taken in base leaves less than was bought."""
    if order.side is Side.BUY and order.fee_asset == order.symbol.base:
        return Quantity(max(order.filled.amount - order.fee, ZERO), order.symbol.base)
    return order.filled


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order's record as it was read; blank where nothing was begun."""

    id: str
    state: OrderState | None
    symbol: str
    side: str
    client_order_id: str
    venue_order_id: str
    fence: str
    leg: int
    target: Decimal | None
    filled: Decimal
    cost: Decimal
    fee: Decimal
    sent_at: int | None
    accepted_at: int | None
    deadline_at: int

    @staticmethod
    def read(fields: Mapping[str, str]) -> OrderRecord:
        """Read the fields of the hash."""
        return OrderRecord(
            id=fields.get("id", ""),
            state=OrderState(fields["state"]) if fields.get("state") else None,
            symbol=fields.get("symbol", ""),
            side=fields.get("side", ""),
            client_order_id=fields.get("client_order_id", ""),
            venue_order_id=fields.get("venue_order_id", ""),
            fence=fields.get("fence", ""),
            leg=int(fields.get("leg") or 1),
            target=Decimal(fields["target"]) if fields.get("target") else None,
            filled=Decimal(fields.get("filled_size") or 0),
            cost=Decimal(fields.get("cost") or 0),
            fee=Decimal(fields.get("fee") or 0),
            sent_at=int(fields["sent_at"]) if fields.get("sent_at") else None,
            accepted_at=int(fields["accepted_at"]) if fields.get("accepted_at") else None,
            deadline_at=int(fields.get("deadline_at") or 0),
        )

    def tally(self, symbol: Symbol) -> Tally:
        """Give what the ended legs came to."""
        return Tally(Quantity(self.filled, symbol.base), Money(self.cost, symbol.quote), Money(self.fee, symbol.quote))

    @staticmethod
    def intent(leg: Leg, request: OrderRequest, *, sent_at: int, deadline_at: int) -> dict[str, str]:
        """Write what is about to be sent: enough for anybody to find out later what became of it."""
        return {
            **_identity(leg.decision, leg.entry_id),
            "leg": str(leg.number),
            "target": plain(leg.target.amount),
            "client_order_id": request.client_order_id,
            "venue_order_id": "",
            "base_size": plain(request.size.amount),
            "limit_price": plain(request.limit_price.amount) if request.limit_price else "",
            "deadline_at": str(deadline_at),
            "sent_at": str(sent_at),
            "accepted_at": "",
            "verdict": "",
        }

    @staticmethod
    def found(decision: Decision, entry_id: str, number: int, order: VenueOrder) -> dict[str, str]:
        """Write anew what the venue remembers and Redis forgot; what it was asked to trade, the venue's list does not tell."""
        return {
            **_identity(decision, entry_id),
            "leg": str(number),
            "client_order_id": order.client_order_id,
            "venue_order_id": order.venue_order_id,
            "base_size": plain(order.filled.amount),
            "deadline_at": str(order.opened_at),
            "sent_at": str(order.opened_at),
            "accepted_at": str(order.opened_at),
            "verdict": "",
        }


def _identity(decision: Decision, entry_id: str) -> dict[str, str]:
    return {
        "id": decision.id,
        "signal_id": decision.signal_id,
        "entry_id": entry_id,
        "user": decision.user,
        "venue": decision.venue,
        "symbol": str(decision.symbol),
        "side": decision.side,
        "kind": decision.kind,
    }
