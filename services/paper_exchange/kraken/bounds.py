"""The `start` and `end` of Kraken's history calls: an instant, or the id of an order or trade, whose time is used."""

from __future__ import annotations

from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import bad_argument


def time_bound(call: Call, name: str, default: float) -> float:
    """Parse a time bound: an instant, or the id of an order or trade, whose time is used."""
    text = call.parameters.text(name)
    if not text:
        return default
    order, trade = call.account.orders.get(text), call.account.trades_by_id.get(text)
    if order is not None:
        return order.accepted_at
    if trade is not None:
        return trade.at
    try:
        return float(text) or default
    except ValueError:
        raise bad_argument(name) from None
