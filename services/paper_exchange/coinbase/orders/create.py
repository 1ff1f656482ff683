"""Creates orders. A client order id that is known names its order: that is returned, and nothing is created."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.orders.forms import Form, read_form
from services.paper_exchange.coinbase.orders.placed import Placed
from services.paper_exchange.coinbase.orders.reasons import Refused
from services.paper_exchange.coinbase.venue import NAME
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.instrument import Instrument
from services.paper_exchange.core.order import Order, OrderType

LONGEST_CLIENT_ID: Final = 128
DUPLICATE: Final = Refused("DUPLICATE_CLIENT_ORDER_ID")
DENIALS: Final = {
    Denial.INSUFFICIENT_FUNDS: Refused("INSUFFICIENT_FUND", "Insufficient balance in source account"),
    Denial.WOULD_CROSS: Refused("INVALID_LIMIT_PRICE_POST_ONLY", "post only order would trade at once"),
}
_METHOD: Final = "CreateOrder"
_SECONDS: Final = (("pending_for", "pending_until"), ("fills_late", "fills_from"), ("fills_listed_late", "listed_from"))
"""Faults that last, and the instant of an order that each one sets."""


def create_order(call: Call) -> Shape:
    """Place an order, or return the one that has the client order id already, whatever else the request says."""
    client_order_id = call.body.get("client_order_id")
    if not isinstance(client_order_id, str) or not 0 < len(client_order_id) <= LONGEST_CLIENT_ID:
        raise invalid_argument(f"client_order_id must have 1 to {LONGEST_CLIENT_ID} characters")
    known = call.portfolio.by_client_id.get(client_order_id)
    if known is not None:
        return (
            refused(DUPLICATE, call)
            if _strikes(call, "replay_says_duplicate", known.order.instrument)
            else _accepted(known)
        )
    form = read_form(call, client_order_id)
    if isinstance(form, Refused):
        return refused(form, call)
    placed = _place(call, form, client_order_id)
    if isinstance(placed, Refused):
        return refused(placed, call)
    call.portfolio.add_order(placed)
    return _accepted(placed)


def refused(why: Refused, call: Call) -> Shape:
    """Return the answer to a refused order: the reason in every field whose vocabulary has it."""
    return {
        "success": False,
        "error_response": {
            "error": why.order_reason,
            "message": why.message,
            "error_details": "",
            "preview_failure_reason": why.preview_reason,
            "new_order_failure_reason": why.order_reason,
        },
        "order_configuration": call.body.get("order_configuration") or {},
    }


def denied(denial: Denial) -> Refused:
    """Return Coinbase's reason for what the core rejects."""
    return DENIALS.get(denial, Refused("COMMANDER_REJECTED_NEW_ORDER", str(denial)))


def side_of(order: Order) -> str:
    """Return the side as Coinbase writes it."""
    return order.side.upper()


def _place(call: Call, form: Form, client_order_id: str) -> Placed | Refused:
    exchange, account, now = call.exchange, call.account, call.now
    failed = "HOLD_FAILURE" if _strikes(call, "accepted_then_failed", form.ticket.instrument) else ""
    order: Order | Denial = Denial.TOO_MANY_ORDERS if failed else exchange.place(account, form.ticket)
    if order is Denial.TOO_MANY_ORDERS:  # known only after the order was taken: a reason to fail, none to refuse
        failed = failed or "TOO_MANY_OPEN_ORDERS"
        order = exchange.fail(account, form.ticket, failed)
    if isinstance(order, Denial):
        return denied(order)
    placed = Placed(order, client_order_id, form.product.id, form.kind, form.fields)
    placed.failed = failed
    if form.ticket.kind is OrderType.MARKET:
        placed.pending_until = now + call.portfolios.pending_seconds()
    for fault, name in _SECONDS:
        switch = exchange.faults.effect(fault, account.user, _METHOD, form.ticket.instrument.symbol, NAME)
        if switch is not None:
            setattr(placed, name, now + switch.seconds)
    return placed


def _accepted(placed: Placed) -> Shape:
    return {
        "success": True,
        "success_response": {
            "order_id": placed.order.id,
            "product_id": placed.product_id,
            "side": side_of(placed.order),
            "client_order_id": placed.client_order_id,
            "attached_order_id": "",
        },
        "order_configuration": {placed.kind: placed.fields},
    }


def _strikes(call: Call, fault: str, instrument: Instrument) -> bool:
    faults = call.exchange.faults
    return faults.armed and faults.effect(fault, call.account.user, _METHOD, instrument.symbol, NAME) is not None
