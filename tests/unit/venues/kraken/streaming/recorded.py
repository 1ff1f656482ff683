"""Rows of `executions` in the shapes that the live venue has sent, recorded in 2023 to 2026, and how to vary them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shared.domain.values.symbol import Symbol
from shared.venues.kraken import parse
from shared.venues.kraken.symbols import PairBook
from tests.unit.venues.kraken_stub import ASSETS, PAIRS

ORDER = "OV33EK-VOGHL-DB43VD"
AT = "2026-04-11T16:48:26.620771Z"
AT_MS = 1_775_926_106_620
BTC = Symbol("BTC", "USD")
BOOK: PairBook = parse.pair_book(parse.asset_names(ASSETS), PAIRS, as_of=0)


def first(order: str = ORDER, size: str = "0.005", **more: Any) -> dict[str, Any]:
    """The first row of an order."""
    return {
        "order_id": order,
        "order_userref": 0,
        "cl_ord_id": "mine",
        "symbol": "BTC/USD",
        "order_qty": Decimal(size),
        "cum_cost": Decimal("0.0"),
        "time_in_force": "GTC",
        "exec_type": "pending_new",
        "side": "sell",
        "order_type": "limit",
        "limit_price_type": "static",
        "limit_price": Decimal("26500.0"),
        "stop_price": Decimal("0.0"),
        "order_status": "pending_new",
        "fee_usd_equiv": Decimal("0.0"),
        "fee_ccy_pref": "fciq",
        "timestamp": AT,
    } | more


def new(order: str = ORDER) -> dict[str, Any]:
    """The row that follows it: nothing is repeated."""
    return {"timestamp": AT, "order_status": "new", "exec_type": "new", "order_userref": 0, "order_id": order}


def trade(
    number: int, size: str, *, order: str = ORDER, price: str = "50000", fee: str = "0.1", **more: Any
) -> dict[str, Any]:
    """A fill; the live venue sends neither the client id nor the order's sums with it."""
    cost = Decimal(size) * Decimal(price)
    return {
        "cost": cost,
        "exec_id": f"TBQGLU-646YF-3L6U{number:02d}",
        "exec_type": "trade",
        "fee_usd_equiv": Decimal("0.0"),
        "fees": [{"asset": "USD", "qty": Decimal(fee)}],
        "last_price": Decimal(price),
        "last_qty": Decimal(size),
        "liquidity_ind": "m",
        "order_id": order,
        "order_status": "partially_filled",
        "order_type": "limit",
        "order_userref": 0,
        "side": "sell",
        "symbol": "BTC/USD",
        "timestamp": AT,
        "trade_id": 1_241_209 + number,
    } | more


def filled(size: str, cost: str, *, order: str = ORDER, **more: Any) -> dict[str, Any]:
    """The row that says that an order has filled, with the venue's sums."""
    return {
        "timestamp": AT,
        "order_status": "filled",
        "exec_type": "filled",
        "cum_qty": Decimal(size),
        "cum_cost": Decimal(cost),
        "avg_price": Decimal(50000),
        "order_userref": 0,
        "order_id": order,
    } | more


def canceled(size: str = "0", cost: str = "0", *, order: str = ORDER, **more: Any) -> dict[str, Any]:
    """The row that says that an order was cancelled."""
    return {
        "timestamp": AT,
        "order_status": "canceled",
        "exec_type": "canceled",
        "order_userref": 0,
        "order_id": order,
        "cum_qty": Decimal(size),
        "cum_cost": Decimal(cost),
        "fee_usd_equiv": 0,
        "avg_price": 0,
        "cancel_reason": "User requested",
        "reason": "User requested",
    } | more
