"""The `start` and `end` of Kraken's history calls: an instant, or the id of an order, trade or ledger entry with its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import bad_argument

NONE: Final[Mapping[str, float]] = {}


def time_bound(call: Call, name: str, default: float, more: Mapping[str, float] = NONE) -> float:
    """Parse a time bound: an instant, or the id of an order or trade, or one of `more`, whose time is used."""
    text = call.parameters.text(name)
    if not text:
        return default
    order, trade = call.account.orders.get(text), call.account.trades_by_id.get(text)
    if order is not None:
        return order.accepted_at
    if trade is not None:
        return trade.at
    if text in more:
        return more[text]
    try:
        return float(text) or default
    except ValueError:
        raise bad_argument(name) from None
