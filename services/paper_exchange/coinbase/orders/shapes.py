"""Orders and fills as Coinbase writes them: the fields of recorded answers, numbers as texts, sums in the quote."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.orders.create import side_of
from services.paper_exchange.coinbase.orders.placed import FAILED, Placed
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.texts import decimal_text, rfc3339
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.order import Trade

TYPES: Final = {
    "market_market": "MARKET",
    "sor_limit": "LIMIT",
    "limit_limit": "LIMIT",
    "stop_limit_stop_limit": "STOP_LIMIT",
    "trigger_bracket": "BRACKET",
}
TIMES_IN_FORCE: Final = {
    "ioc": "IMMEDIATE_OR_CANCEL",
    "gtc": "GOOD_UNTIL_CANCELLED",
    "gtd": "GOOD_UNTIL_DATE_TIME",
    "fok": "FILL_OR_KILL",
}
REJECT_MESSAGES: Final = {
    "HOLD_FAILURE": "hold could not be placed",
    "TOO_MANY_OPEN_ORDERS": "too many open orders on the product",
}
"""By `reject_reason`; the wording is ours."""


def order_type(placed: Placed) -> str:
    """Return Coinbase's word for the type of an order."""
    return TYPES[placed.kind.rpartition("_")[0]]


def time_in_force(placed: Placed) -> str:
    """Return Coinbase's word for how long an order stays in force."""
    return TIMES_IN_FORCE[placed.kind.rpartition("_")[2]]


def order_shape(call: Call, placed: Placed, status: str = "") -> Shape:
    """Return one order; `status` instead of its own, if given."""
    order, now = placed.order, call.now
    shown = placed.shows_fills(now)
    filled, cost, fee = (order.filled, order.cost, order.fee) if shown else (ZERO, ZERO, ZERO)
    state = status or placed.status(now)
    buying = order.side is Side.BUY
    last_fill = rfc3339(order.trades[-1].at) if order.trades and shown else None
    in_quote = order.ticket.size_in_quote
    return {
        "order_id": order.id,
        "product_id": placed.product_id,
        "user_id": call.portfolio.user_id,
        "order_configuration": {placed.kind: placed.fields},
        "side": side_of(order),
        "client_order_id": placed.client_order_id,
        "status": state,
        "time_in_force": time_in_force(placed),
        "created_time": rfc3339(order.accepted_at),
        "completion_percentage": f"{100 * filled / order.size:.2f}" if order.size else "0",
        "filled_size": decimal_text(filled),
        "average_filled_price": decimal_text(cost / filled) if filled else "0",
        "fee": "",
        "number_of_fills": str(len(order.trades) if shown else 0),
        "filled_value": decimal_text(cost),
        "pending_cancel": False,
        "size_in_quote": in_quote,
        "total_fees": decimal_text(fee),
        "size_inclusive_of_fees": in_quote and buying,
        "total_value_after_fees": decimal_text(cost + fee if buying else cost - fee),
        "trigger_status": trigger_status(placed),
        "order_type": order_type(placed),
        "reject_reason": placed.failed if state == FAILED else "REJECT_REASON_UNSPECIFIED",
        "settled": state in {"FILLED", "CANCELLED", "EXPIRED"} and bool(filled),
        "product_type": "SPOT",
        "reject_message": REJECT_MESSAGES.get(placed.failed, placed.failed) if state == FAILED else "",
        "cancel_message": cancel_message(order.reason, state),
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": decimal_text(order.held),
        "is_liquidation": False,
        "last_fill_time": last_fill,
        "edit_history": [
            {"price": each.price, "size": each.size, "replace_accept_timestamp": rfc3339(each.at)}
            for each in placed.edits
        ],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": call.portfolio.uuid,
        "originating_order_id": "",
        "attached_order_id": "",
        "last_update_time": rfc3339(placed.changed_at(now)),
    }


def fill_shape(call: Call, placed: Placed, trade: Trade, *, alias: bool) -> Shape:
    """Return one fill; with `alias` under the id of the product that has the book."""
    in_quote = placed.order.ticket.size_in_quote
    product = PRODUCTS[placed.product_id]
    return {
        "entry_id": sha256(trade.id.encode()).hexdigest(),
        "trade_id": trade.id,
        "order_id": placed.order.id,
        "trade_time": rfc3339(trade.at),
        "trade_type": "FILL",
        "price": decimal_text(trade.price),
        "size": decimal_text(trade.cost if in_quote else trade.size),
        "commission": decimal_text(trade.fee),
        "product_id": product.canonical_id if alias else placed.product_id,
        "sequence_timestamp": rfc3339(trade.at),
        "liquidity_indicator": "MAKER" if trade.maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": call.portfolio.user_id,
        "side": side_of(placed.order),
        "retail_portfolio_id": call.portfolio.uuid,
        "fill_source": "FILL_SOURCE_CLOB",
        "commission_detail_total": {"total_commission": decimal_text(trade.fee)},
    }


def cancel_message(reason: str, status: str) -> str:
    """Return why an order was cancelled, if its owner did it; the venue names no other reason."""
    return "User requested cancel" if status == "CANCELLED" and reason == "User requested" else ""


def trigger_status(placed: Placed) -> str:
    """Return Coinbase's word for how far the trigger of an order is."""
    if placed.order.ticket.trigger is None:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if placed.order.triggered else "STOP_PENDING"
