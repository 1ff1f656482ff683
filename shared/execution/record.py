"""The write-ahead record of an order, typed: the hash `shoal:order:{user}:<id>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.order import OrderState
from shared.domain.values.money import ZERO, Money, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.totals import LegTotals
from shared.venues.port import OrderRequest, Outgoing, VenueOrder


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order's record as it was read; blank if nothing was begun."""

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
    base_fee: Decimal = ZERO
    base_fee_value: Decimal = ZERO
    request: str = ""
    """The exact text that was sent, at a venue that replays."""

    @staticmethod
    def read(fields: Mapping[str, str]) -> OrderRecord:
        """Parse the fields of the hash. Raises ValueError or ArithmeticError if one of them is damaged."""
        fee = Decimal(fields.get("fee") or 0)
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
            fee=fee,
            base_fee=Decimal(fields.get("fee_base") or 0),
            base_fee_value=fee - Decimal(fields.get("fee_quote") or fee),
            sent_at=int(fields["sent_at"]) if fields.get("sent_at") else None,
            accepted_at=int(fields["accepted_at"]) if fields.get("accepted_at") else None,
            deadline_at=int(fields.get("deadline_at") or 0),
            request=fields.get("request", ""),
        )

    def totals(self, symbol: Symbol) -> LegTotals:
        """Return what the ended legs came to."""
        return LegTotals(
            Quantity(self.filled, symbol.base),
            Money(self.cost, symbol.quote),
            Money(self.fee, symbol.quote),
            self.base_fee,
            self.base_fee_value,
        )

    @staticmethod
    def intent(leg: Leg, request: OrderRequest, outgoing: Outgoing, *, sent_at: int) -> dict[str, str]:
        """Return the fields for what is about to be sent: enough for any later process to resolve it."""
        return {
            **leg.order.fields(),
            "leg": str(leg.number),
            "target": plain(leg.target.amount),
            "client_order_id": request.client_order_id,
            "venue_order_id": "",
            "base_size": plain(request.size.amount),
            "limit_price": plain(request.limit_price.amount) if request.limit_price else "",
            "deadline_at": str(outgoing.deadline_at),
            "sent_at": str(sent_at),
            "accepted_at": "",
            "verdict": "",
            **({"request": outgoing.body} if outgoing.body else {}),
        }

    @staticmethod
    def accepted(
        leg: Leg, request: OrderRequest, intent: Mapping[str, str], fence: str, venue_order_id: str, at: int
    ) -> OrderRecord:
        """Return the record of an order's first leg as it stands once the venue has taken it: before it, none has ended."""
        return OrderRecord(
            id=leg.order.id,
            state=OrderState.ACCEPTED,
            symbol=str(leg.order.symbol),
            side=leg.order.side,
            client_order_id=request.client_order_id,
            venue_order_id=venue_order_id,
            fence=fence,
            leg=leg.number,
            target=leg.target.amount,
            filled=ZERO,
            cost=ZERO,
            fee=ZERO,
            sent_at=int(intent["sent_at"]),
            accepted_at=at,
            deadline_at=int(intent["deadline_at"]),
        )

    @staticmethod
    def found(order: TrackedOrder, number: int, known: VenueOrder) -> dict[str, str]:
        """Return the fields of an order that the venue knows and Redis lost; the listing does not include the requested size."""
        return {
            **order.fields(),
            "leg": str(number),
            "client_order_id": known.client_order_id,
            "venue_order_id": known.venue_order_id,
            "base_size": plain(known.filled.amount),
            "deadline_at": str(known.opened_at),
            "sent_at": str(known.opened_at),
            "accepted_at": str(known.opened_at),
            "verdict": "",
        }
