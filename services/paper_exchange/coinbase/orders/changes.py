"""Cancels, edits and previews."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.orders.create import DENIALS
from services.paper_exchange.coinbase.orders.forms import Form, Refused, read_form
from services.paper_exchange.coinbase.orders.placed import Edit, Placed
from services.paper_exchange.coinbase.orders.shapes import share
from services.paper_exchange.coinbase.texts import decimal_text, parse_decimal
from services.paper_exchange.coinbase.view import book_of
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.exchange import Amendment
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.order import Order, Status, Ticket

MOST_IDS: Final = 100
CANCELLED: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
"""The reason that Coinbase gives with success."""
GTC: Final = "limit_limit_gtc"
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
    """Change size and price of an open GTC limit order; its id stays."""
    found = _editable(call)
    if isinstance(found, str):
        return _edit_refused(found)
    placed, change = found
    if denial := call.exchange.amend(placed.order, change):
        reason = _EDIT_DENIALS.get(denial)
        return _edit_refused(reason or "COMMANDER_REJECTED_EDIT_ORDER", DENIALS.get(denial))
    price, size = (decimal_text(each or ZERO) for each in (change.limit, change.size))
    placed.fields = {**placed.fields, "base_size": size, "limit_price": price}
    placed.edits.append(Edit(price, size, call.now))
    return {"success": True, "success_response": {"order_id": placed.order.id}}


def preview_edit(call: Call) -> Shape:
    """Return what an edit would lead to; nothing changes."""
    found = _editable(call)
    if isinstance(found, str):
        return {**_sums(call, None), "errors": [{"edit_failure_reason": found}]}
    placed, change = found
    return {**_sums(call, placed.order, change), "errors": []}


def preview_order(call: Call) -> Shape:
    """Return what an order would cost, and why it would be refused; nothing is created."""
    form = read_form(call)
    refused = form if isinstance(form, Refused) else _unaffordable(call, form)
    errs = [f"PREVIEW_{refused.reason}"] if refused else []
    if refused and refused.reason.startswith("UNKNOWN_"):
        errs = [refused.message]
    total, fee, base, price = _cost(call, form.ticket) if isinstance(form, Form) else (ZERO, ZERO, ZERO, ZERO)
    book = book_of(call.exchange, form.product) if isinstance(form, Form) else None
    return {
        "order_total": share(total),
        "commission_total": share(fee),
        "errs": errs,
        "warning": [],
        "quote_size": decimal_text(total),
        "base_size": decimal_text(base),
        "best_bid": decimal_text(book.instrument.price_at(book.bid)) if book else "0",
        "best_ask": decimal_text(book.instrument.price_at(book.ask)) if book else "0",
        "is_max": False,
        "slippage": "0",
        "preview_id": "" if errs else call.exchange.ids.make("P"),
        "est_average_filled_price": decimal_text(price),
    }


def _cancel(call: Call, order_id: str) -> Shape:
    placed = call.portfolio.placed.get(order_id)
    if placed is None:
        return {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": order_id}
    if call.exchange.cancel(placed.order) is None:
        return {"success": True, "failure_reason": CANCELLED, "order_id": order_id}
    filled = placed.order.status is Status.CLOSED
    reason = "ORDER_IS_FULLY_FILLED" if filled else "DUPLICATE_CANCEL_REQUEST"
    return {"success": False, "failure_reason": reason, "order_id": order_id}


def _editable(call: Call) -> tuple[Placed, Amendment] | str:
    placed = call.portfolio.placed.get(str(call.body.get("order_id", "")))
    if placed is None:
        return "ORDER_NOT_FOUND"
    if placed.kind != GTC:
        return "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    if not placed.order.is_open:
        return "ONLY_OPEN_ORDERS_CAN_BE_EDITED"
    # A size or price that is left out counts as 0 (recorded by others), and 0 is not valid.
    size, price = (parse_decimal(call.body.get(name) or "0") or ZERO for name in ("size", "price"))
    instrument = placed.order.instrument
    if size <= 0 or size % instrument.lot:
        return "INVALID_EDITED_SIZE"
    if price <= 0 or price % instrument.tick:
        return "INVALID_EDITED_PRICE"
    if size < placed.order.filled:
        return "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    return placed, Amendment(size=size, limit=price, post_only=placed.fields.get("post_only") is True)


def _edit_refused(reason: str, why: Refused | None = None) -> Shape:
    preview = f"PREVIEW_{why.reason}" if why else "UNKNOWN_PREVIEW_FAILURE_REASON"
    return {"success": False, "errors": [{"edit_failure_reason": reason, "preview_failure_reason": preview}]}


def _sums(call: Call, order: Order | None, change: Amendment | None = None) -> Shape:
    size, limit = (change.size or ZERO, change.limit or ZERO) if change else (ZERO, ZERO)
    cost = size * limit
    fee = cost * call.exchange.settlement.rate(call.account, call.now, maker=True)
    return {
        "slippage": "0",
        "order_total": share(cost + fee),
        "commission_total": share(fee),
        "quote_size": decimal_text(cost),
        "base_size": decimal_text(size),
        "best_bid": "0",
        "best_ask": "0",
        "average_filled_price": decimal_text(order.average_price) if order else "0",
    }


def _cost(call: Call, ticket: Ticket) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return what an order would cost or bring with its fee, the fee, the base size, and the average price."""
    exchange = call.exchange
    fills = exchange.matching.plan(ticket, ticket.size, ticket.limit)
    base = sum((size for _, size in fills), ZERO)
    cost = sum((price * size for price, size in fills), ZERO)
    if ticket.limit is not None and base < ticket.size:
        cost, base = cost + (ticket.size - base) * ticket.limit, ticket.size
    fee = cost * exchange.settlement.rate(call.account, call.now, maker=False)
    total = cost + fee if ticket.side is Side.BUY else cost - fee
    return total, fee, base, cost / base if base else ZERO


def _unaffordable(call: Call, form: Form) -> Refused | None:
    total, _, base, _ = _cost(call, form.ticket)
    instrument = form.ticket.instrument
    buying = form.ticket.side is Side.BUY
    asset, needed = (instrument.quote, total) if buying else (instrument.base, base)
    return DENIALS[Denial.INSUFFICIENT_FUNDS] if needed > call.account.available(asset, call.now) else None
