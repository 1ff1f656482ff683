"""The records of the master's own orders: what an earlier run left unfinished, and each end with its report."""

from __future__ import annotations

import structlog

from services.master_strategy.fills.fills import average_price
from services.master_strategy.trading.own_order import OwnOrder
from shared.bus.order.book_changes import PositionChange
from shared.bus.order.orders import OrderStore
from shared.contracts.fields import text
from shared.contracts.messages import ReportMessage
from shared.domain.account import MASTER
from shared.domain.order import OrderState, report_id
from shared.domain.signal import signal_id
from shared.venues.port import VenueOrder

_log = structlog.get_logger(__name__)


class OwnOrderRecords:
    """The records of the master's orders under one lease."""

    def __init__(self, store: OrderStore, venue: str, owner: str = MASTER) -> None:
        self._store = store
        self._owner = owner
        self._venue = venue

    async def settle(
        self,
        own: OwnOrder,
        outcome: OrderState,
        why: str,
        *,
        found: VenueOrder | None,
        change: PositionChange | None,
        at: int,
    ) -> bool:
        """End the order with its report; False if it had ended before. `found` is the venue's record, if it has one.

        Raises LeaseLost, BusUnavailable.
        """
        filled = found if found and found.filled.amount > 0 else None
        price = average_price(filled.filled, filled.cost, own.symbol) if filled else None
        report = ReportMessage(
            id=report_id(own.id),
            order_id=own.id,
            signal_id=signal_id(own.venue, filled.venue_order_id, filled.filled, own.owner) if filled else "",
            user=own.owner,
            venue=own.venue,
            symbol=own.symbol,
            side=own.side,
            kind=own.kind,
            outcome=outcome,
            reason=why,
            venue_order_id=found.venue_order_id if found else own.venue_order_id,
            filled_size=found.filled.amount if found else None,
            average_price=price.amount if price else None,
            fee=found.fee if found else None,
            cost=filled.cost.amount if filled else None,
            sent_at=own.begun_at,
            settled_at=at,
        )
        fields = {
            "signal_id": report.signal_id,
            "venue_order_id": report.venue_order_id,
            "filled_size": text(report.filled_size),
            "average_price": text(report.average_price),
            "fee": text(report.fee),
            "reason": why,
            "why": why,
            "settled_at": str(at),
        }
        return await self._store.settle(report, entry_id="", fields=fields, position=change)

    async def unfinished(self) -> list[tuple[OwnOrder, OrderState]]:
        """Return the unfinished orders of an earlier run at this venue with their states; unreadable ones are logged and left."""
        found = []
        for order_id, fields in (await self._store.open_orders()).items():
            if fields.get("venue", self._venue) != self._venue:
                continue  # the session of that venue follows it
            try:
                found.append((OwnOrder.read(order_id, fields, self._owner), OrderState(fields["state"])))
            except (KeyError, ValueError, ArithmeticError) as error:
                _log.error("an order's record cannot be read", order_id=order_id, error=repr(error))
        return found
