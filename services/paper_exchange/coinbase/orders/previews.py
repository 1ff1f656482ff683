"""Previews: what an order or an edit would cost, and why it would be refused. Nothing is created, nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.orders.changes import edit_denied, read_edit
from services.paper_exchange.coinbase.orders.create import denied
from services.paper_exchange.coinbase.orders.forms import Form, read_form
from services.paper_exchange.coinbase.orders.reasons import Refused
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.view import book_of
from services.paper_exchange.core.denial import Denial
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.order import Ticket


@dataclass(frozen=True, slots=True)
class _Cost:
    """Sums of an order: `total` with the fee, `fee`, `quote` without it, `base`."""

    total: Decimal = ZERO
    fee: Decimal = ZERO
    quote: Decimal = ZERO
    base: Decimal = ZERO

    @property
    def price(self) -> Decimal:
        return self.quote / self.base if self.base else ZERO


def preview_order(call: Call) -> Shape:
    """Return what an order would cost, and in `errs` why it would be refused."""
    form = read_form(call)
    refused, cost, best = form if isinstance(form, Refused) else None, _Cost(), {"best_bid": "0", "best_ask": "0"}
    if isinstance(form, Form):
        exchange, ticket = call.exchange, form.ticket
        denial = exchange.check(call.account, ticket, exchange.base_size(ticket))
        refused = denied(denial) if denial not in {None, Denial.TOO_MANY_ORDERS} else None
        cost, best = _cost_of(call, ticket), _best(call, form.product.id)
    return {
        "order_total": share(cost.total),
        "commission_total": share(cost.fee),
        "errs": [refused.shown_in_preview] if refused is not None else [],
        "warning": [],
        "quote_size": decimal_text(cost.quote),
        "base_size": decimal_text(cost.base),
        **best,
        "is_max": False,
        "order_margin_total": "0",
        "leverage": "1",
        "long_leverage": "0",
        "short_leverage": "0",
        "slippage": "0",
        "preview_id": "" if refused is not None else call.exchange.ids.make("P"),
        "est_average_filled_price": decimal_text(cost.price),
    }


def preview_edit(call: Call) -> Shape:
    """Return what an edit would lead to, and in `errors` why it would be refused."""
    found = read_edit(call)
    if isinstance(found, dict):
        return _edit_sums([found], _Cost(), ZERO, {"best_bid": "0", "best_ask": "0"})
    placed, change = found
    order, exchange = placed.order, call.exchange
    denial = exchange.check_amendment(order, change)
    size, quote = change.size or ZERO, (change.size or ZERO) * (change.limit or ZERO)
    fee = quote * exchange.settlement.rate(call.account, call.now, maker=True)
    total = quote + fee if order.side is Side.BUY else quote - fee
    errors = [edit_denied(denial)] if denial is not None else []
    best = _best(call, placed.product_id)
    return _edit_sums(errors, _Cost(total, fee, quote, size), order.average_price, best)


def share(amount: Decimal) -> str:
    """Return an amount as a text for sums of previews, to a cent."""
    return f"{amount:.2f}"


def _edit_sums(errors: list[Shape], cost: _Cost, average: Decimal, best: dict[str, str]) -> Shape:
    return {
        "errors": errors,
        "slippage": "0",
        "order_total": share(cost.total),
        "commission_total": share(cost.fee),
        "quote_size": decimal_text(cost.quote),
        "base_size": decimal_text(cost.base),
        **best,
        "average_filled_price": decimal_text(average),
        "order_margin_total": "0",
    }


def _best(call: Call, product_id: str) -> dict[str, str]:
    book = book_of(call.exchange, PRODUCTS[product_id])
    price_at = book.instrument.price_at
    return {"best_bid": decimal_text(price_at(book.bid)), "best_ask": decimal_text(price_at(book.ask))}


def _cost_of(call: Call, ticket: Ticket) -> _Cost:
    """Return what an order would cost or bring; a limit order's rest counts at its limit."""
    exchange = call.exchange
    fills = exchange.matching.plan(ticket, ticket.size, ticket.limit)
    base = sum((size for _, size in fills), ZERO)
    quote = sum((price * size for price, size in fills), ZERO)
    if ticket.limit is not None and base < ticket.size:
        quote, base = quote + (ticket.size - base) * ticket.limit, ticket.size
    fee = quote * exchange.settlement.rate(call.account, call.now, maker=False)
    return _Cost(quote + fee if ticket.side is Side.BUY else quote - fee, fee, quote, base)
