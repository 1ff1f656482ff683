"""Rows of the channel `user`: an order with its cumulative sums, in the fields of a recorded row (Coinbase.Net, 2024-10).

A row never shows more than the REST interface does at the same moment. It has no trade ids: a fill is the difference of two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.orders.create import side_of
from services.paper_exchange.coinbase.orders.placed import FAILED, OPEN, PENDING, Placed
from services.paper_exchange.coinbase.orders.shapes import cancel_message, order_type, time_in_force, trigger_status
from services.paper_exchange.coinbase.portfolios import Portfolio
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.texts import decimal_text, rfc3339
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.order import Order, Status
from services.paper_exchange.core.settlement import Settlement

NO_TIME: Final = "0001-01-01T00:00:00Z"
ORDER_TYPES: Final = {"MARKET": "Market", "LIMIT": "Limit", "STOP_LIMIT": "Stop Limit", "BRACKET": "Bracket"}
"""The channel's words by those of the REST interface; the last one is assumed."""
NO_POSITIONS: Final[Shape] = {"perpetual_futures_positions": [], "expiring_futures_positions": []}


@dataclass(frozen=True, slots=True)
class Moment:
    """What changes of an order, as it was at one moment. `held` is what its rest needs."""

    status: Status
    size: Decimal
    limit: Decimal | None
    filled: Decimal
    cost: Decimal
    fee: Decimal
    fills: int
    held: Decimal
    reason: str

    @classmethod
    def of(cls, order: Order, settlement: Settlement, now: float) -> Moment:
        """Return the present moment of an order."""
        held = settlement.rest_needs(order, now)[1] if order.is_open else ZERO
        sums = order.filled, order.cost, order.fee, len(order.trades)
        return cls(order.status, order.size, order.limit, *sums, held, order.reason)


def is_open(row: Shape) -> bool:
    """Return whether a row is of an order that may still change its sums."""
    return row["status"] in {PENDING, OPEN}


def order_row(portfolio: Portfolio, placed: Placed, moment: Moment, now: float, *, accepted: bool = False) -> Shape:
    """Return an order as it was at a moment; with `accepted` as it was right after it had been taken."""
    order = placed.order
    state = PENDING if accepted else placed.shown_status(moment.status, now)
    shown = placed.shows_fills(now) and not accepted
    filled, cost, fee = (moment.filled, moment.cost, moment.fee) if shown else (ZERO, ZERO, ZERO)
    rest = moment.size - filled if state in {PENDING, OPEN} else ZERO
    trigger = order.ticket.trigger
    return {
        "order_id": order.id,
        "client_order_id": placed.client_order_id,
        "product_id": PRODUCTS[placed.product_id].canonical_id,
        "product_type": "SPOT",
        "order_side": side_of(order),
        "order_type": ORDER_TYPES[order_type(placed)],
        "status": state,
        "time_in_force": time_in_force(placed),
        "cumulative_quantity": decimal_text(filled),
        "leaves_quantity": decimal_text(rest),
        "avg_price": decimal_text(cost / filled) if filled else "0",
        "filled_value": decimal_text(cost),
        "number_of_fills": str(moment.fills if shown else 0),
        "completion_percentage": f"{100 * filled / moment.size:.2f}" if moment.size else "0",
        "total_fees": decimal_text(fee),
        "total_value_after_fees": decimal_text(cost + fee if order.side is Side.BUY else cost - fee),
        "outstanding_hold_amount": decimal_text(moment.held),
        "limit_price": "" if moment.limit is None else decimal_text(moment.limit),
        "stop_price": "" if trigger is None else decimal_text(trigger),
        "post_only": "true" if order.ticket.post_only else "false",
        "trigger_status": trigger_status(placed),
        "cancel_reason": cancel_message(moment.reason, state),
        "reject_reason": placed.failed if state == FAILED else "",
        "creation_time": rfc3339(order.accepted_at),
        "start_time": NO_TIME,
        "end_time": rfc3339(order.ticket.expires_at) if order.ticket.expires_at else NO_TIME,
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "retail_portfolio_id": portfolio.uuid,
    }
