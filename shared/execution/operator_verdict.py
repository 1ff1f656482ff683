"""An operator's verdict on an order that cannot be resolved by asking the venue: `ops resolve`.

Written by ops into the order's record, read by the process that polls the order; only that process changes the order's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.contracts.fields import MalformedMessageError
from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.record import OrderRecord
from shared.venues.port import VenueOrder, VenueOrderStatus


@dataclass(frozen=True, slots=True)
class OperatorVerdict:
    """`size` in base (zero: the venue never had it, or nothing filled), `price` and `fee` in quote."""

    size: Decimal
    price: Decimal
    fee: Decimal
    by: str
    at: int

    @staticmethod
    def read(fields: Mapping[str, str]) -> OperatorVerdict | None:
        """Return the verdict in an order's record; None if there is none that can be read."""
        if not fields.get("verdict"):
            return None
        try:
            written = VerdictRecord.parse(fields)
        except MalformedMessageError:
            return None  # an incomplete one, typed into redis-cli field by field, does not count yet
        none = written.verdict is VerdictKind.NONE
        return OperatorVerdict(
            size=ZERO if none else written.verdict_size or ZERO,
            price=ZERO if none else written.verdict_price or ZERO,
            fee=ZERO if none else written.verdict_fee or ZERO,
            by=written.verdict_by,
            at=written.verdict_at or 0,
        )

    @property
    def words(self) -> str:
        """The reason for the report."""
        return f"settled by hand by {self.by}"

    def as_order(self, record: OrderRecord) -> VenueOrder | None:
        """Return it in the form of the venue's record; None for an exit of which nothing filled, which is sent again.

        An entry of which nothing filled has ended: it must not be sent again, fresh or not.
        """
        if self.size == 0 and record.side == Side.SELL:
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
            opened_at=record.sent_at or self.at,
            closed_at=record.deadline_at or self.at,  # the latest that it can have been
            reason=self.words,
        )
