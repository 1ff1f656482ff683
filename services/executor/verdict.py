"""What an operator found out about an order that the venue would not tell us about: `ops resolve`.

Written by ops into the order's record, read by the executor that still asks; only the executor changes the order's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.executor.record import OrderRecord
from shared.domain.money import ZERO, Money, Quantity
from shared.domain.order import Side
from shared.domain.symbol import Symbol
from shared.venues.port import VenueOrder, VenueOrderStatus


@dataclass(frozen=True, slots=True)
class Verdict:
    """`size` in base (zero: the venue never had it, or nothing filled), `price` and `fee` in quote."""

    size: Decimal
    price: Decimal
    fee: Decimal
    by: str
    at: int

    @staticmethod
    def read(fields: Mapping[str, str]) -> Verdict | None:
        """Read the verdict in an order's record, if there is one."""
        if not fields.get("verdict"):
            return None
        none = fields["verdict"] == "none"
        return Verdict(
            size=ZERO if none else Decimal(fields["verdict_size"]),
            price=ZERO if none else Decimal(fields["verdict_price"]),
            fee=ZERO if none else Decimal(fields.get("verdict_fee") or 0),
            by=fields.get("verdict_by", "an operator"),
            at=int(fields.get("verdict_at") or 0),
        )

    def as_order(self, record: OrderRecord) -> VenueOrder | None:
        """Put it in the form of the venue's record; None if the venue never had the order."""
        if self.size == 0:
            return None
        symbol = Symbol.parse(record.symbol)
        return VenueOrder(
            venue_order_id=record.venue_order_id,
            client_order_id=record.client_order_id,
            symbol=symbol,
            side=Side(record.side),
            status=VenueOrderStatus.DONE,
            filled=Quantity(self.size, symbol.base),
            cost=Money(self.size * self.price, symbol.quote),
            fee=self.fee,
            fee_asset=symbol.quote,
            opened_at=self.at,
            closed_at=self.at,
            reason=f"settled by hand by {self.by}",
        )
