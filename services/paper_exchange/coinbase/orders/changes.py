"""Cancels and edits."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.flags import flags_of
from services.paper_exchange.coinbase.orders.create import DENIALS
from services.paper_exchange.coinbase.orders.placed import OPEN, Edit, Placed
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.texts import decimal_text, parse_decimal
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.exchange import Amendment
from services.paper_exchange.core.instrument import ZERO
from services.paper_exchange.core.order import Status

MOST_IDS: Final = 100
CANCELLED: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
"""The reason that Coinbase gives with success."""
GTC: Final = "limit_limit_gtc"
REJECTED: Final = "COMMANDER_REJECTED_EDIT_ORDER"
_EDIT_DENIALS: Final = {
    Denial.UNKNOWN_ORDER: "ONLY_OPEN_ORDERS_CAN_BE_EDITED",
    Denial.NOTHING_TO_AMEND: "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST",
    Denial.NOT_AMENDABLE: "ONLY_LIMIT_ORDER_EDITS_SUPPORTED",
}


def cancel_orders(call: Call) -> Shape:
    """Cancel orders, each for itself. `success` says that the cancel was taken: the order may still fill."""
    ids = call.body.get("order_ids")
    if not isinstance(ids, list) or not ids or len(ids) > MOST_IDS or not all(isinstance(each, str) for each in ids):
        raise invalid_argument(f"order_ids: 1 to {MOST_IDS} ids are required")
    return {"results": [_cancel(call, order_id) for order_id in ids]}


def edit_order(call: Call) -> Shape:
    """Change size and price of an open GTC limit order; its id stays. The size is the new total, with what is filled."""
    found = read_edit(call)
    if isinstance(found, dict):
        return {"success": False, "errors": [found]}
    placed, change = found
    if denial := call.exchange.amend(placed.order, change):
        return {"success": False, "errors": [edit_denied(denial)]}
    price, size = (decimal_text(each or ZERO) for each in (change.limit, change.size))
    placed.fields = {**placed.fields, "base_size": size, "limit_price": price}
    placed.edits.append(Edit(price, size, call.now))
    return {"success": True, "success_response": {"order_id": placed.order.id}}


def read_edit(call: Call) -> tuple[Placed, Amendment] | Shape:
    """Return the order and its change, or why it can't be edited, as an entry of `errors`."""
    placed = call.portfolio.placed.get(str(call.body.get("order_id", "")))
    if placed is None:
        return _error("ORDER_NOT_FOUND")
    if placed.kind != GTC:
        return _error("ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
    if placed.status(call.now) != OPEN:
        return _error("ONLY_OPEN_ORDERS_CAN_BE_EDITED")
    product = PRODUCTS[placed.product_id]
    if flags_of(call.exchange, product, call.account.user).halted:
        return _error(REJECTED, "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE")
    # A size or price that is left out counts as 0 (recorded by others), and 0 is not valid.
    size, price = (parse_decimal(call.body.get(name) or "0") or ZERO for name in ("size", "price"))
    instrument = call.exchange.rules.adjust(placed.order.instrument, product.book_symbol)
    if price <= 0 or price % instrument.tick:
        return _error("INVALID_EDITED_PRICE")
    if size <= 0 or size % instrument.lot or size < instrument.order_min or size * price < instrument.cost_min:
        return _error("INVALID_EDITED_SIZE")
    if size < placed.order.filled:
        return _error("CANNOT_EDIT_TO_BELOW_FILLED_SIZE")
    return placed, Amendment(size=size, limit=price, post_only=placed.fields.get("post_only") is True)


def edit_denied(denial: Denial) -> Shape:
    """Return the entry of `errors` for an edit that the core rejects."""
    why = DENIALS.get(denial)
    return _error(_EDIT_DENIALS.get(denial, REJECTED), why.preview_reason if why else "")


def _cancel(call: Call, order_id: str) -> Shape:
    placed = call.portfolio.placed.get(order_id)
    if placed is None:
        return {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": order_id}
    was_open = placed.order.is_open
    call.exchange.cancel(placed.order)
    if was_open:  # even if it filled meanwhile (fault `fill_during_cancel`): the caller does not know yet
        return {"success": True, "failure_reason": CANCELLED, "order_id": order_id}
    filled = placed.order.status is Status.CLOSED
    reason = "ORDER_IS_FULLY_FILLED" if filled else "DUPLICATE_CANCEL_REQUEST"
    return {"success": False, "failure_reason": reason, "order_id": order_id}


def _error(reason: str, preview: str = "") -> Shape:
    return {
        "edit_failure_reason": reason,
        "preview_failure_reason": preview or "UNKNOWN_PREVIEW_FAILURE_REASON",
    }
