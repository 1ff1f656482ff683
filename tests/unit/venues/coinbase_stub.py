"""A scripted Coinbase on a real socket: answers what a test queued, by the last part of the path, and keeps every request.

What is not queued is answered as an account without orders and fills would; see `kraken_stub.py` for the server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jwt

from tests.unit.venues.kraken_stub import Arrived, KrakenStub, Raw

ORDER_ID = "0f1e2d3c-4b5a-4697-8877-665544332211"
PRODUCT: dict[str, Any] = {
    "product_id": "BTC-USD",
    "price": "50000.12",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "status": "online",
    "is_disabled": False,
    "cancel_only": False,
    "limit_only": False,
    "post_only": False,
    "trading_disabled": False,
    "auction_mode": False,
    "view_only": False,
    "product_type": "SPOT",
    "product_venue": "CBE",
    "alias": "",
    "alias_to": ["BTC-USDC"],
}
ORDER: dict[str, Any] = {
    "order_id": ORDER_ID,
    "product_id": "BTC-USD",
    "order_configuration": {"market_market_ioc": {"base_size": "0.01"}},
    "side": "BUY",
    "client_order_id": "mine",
    "status": "FILLED",
    "time_in_force": "IMMEDIATE_OR_CANCEL",
    "created_time": "2026-11-22T16:00:00.123456789Z",
    "completion_percentage": "100.00",
    "filled_size": "0.01",
    "average_filled_price": "50000",
    "fee": "",
    "number_of_fills": "1",
    "filled_value": "500",
    "total_fees": "6",
    "size_in_quote": False,
    "product_type": "SPOT",
    "reject_reason": "REJECT_REASON_UNSPECIFIED",
    "reject_message": "",
    "cancel_message": "",
    "last_fill_time": "2026-11-22T16:00:01Z",
    "last_update_time": "2026-11-22T16:00:01.5Z",
    "margin_type": "UNKNOWN_MARGIN_TYPE",
}
"""An order as the venue lists it, with the fields that are read and some that must not be."""
FILL: dict[str, Any] = {
    "entry_id": "e" * 64,
    "trade_id": "t1",
    "order_id": ORDER_ID,
    "trade_time": "2026-11-22T16:00:01Z",
    "trade_type": "FILL",
    "price": "50000",
    "size": "0.01",
    "commission": "6",
    "product_id": "BTC-USD",
    "sequence_timestamp": "2026-11-22T16:00:01Z",
    "liquidity_indicator": "TAKER",
    "size_in_quote": False,
    "side": "BUY",
}
AT = 1_795_363_201_500
"""When `ORDER` ended, epoch ms."""


def reply(value: Any, status: int = 200, *headers: str) -> Raw:
    """An answer of JSON."""
    return Raw(json.dumps(value).encode(), status, headers)


def orders(*rows: Any, **more: Any) -> Raw:
    """A page of orders, the last one unless `more` says otherwise."""
    return reply({"orders": list(rows), "sequence": "0", "has_next": False, "cursor": ""} | more)


def fills(*rows: Any, cursor: str = "") -> Raw:
    """A page of fills, which has no `has_next`."""
    return reply({"fills": list(rows), "cursor": cursor})


def taken(order_id: str = ORDER_ID, **named: Any) -> Raw:
    """The answer to an order that was taken; without `named` its client id, product and side are those of the test's order."""
    response = {"order_id": order_id, "product_id": "BTC-USD", "side": "BUY", "client_order_id": "mine"} | named
    return reply({"success": True, "success_response": response, "order_configuration": {}})


def refused(**reasons: str) -> Raw:
    """The answer to an order that was refused."""
    return reply({"success": False, "error_response": reasons, "order_configuration": {}})


def token_of(request: Arrived) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims of a request's token, unverified."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


@dataclass
class CoinbaseStub(KrakenStub):
    """The server."""

    def unqueued(self, request: Arrived) -> Raw:
        """Answer as for an account without orders; a lookup of one order is 404."""
        answers: dict[str, Any] = {
            "batch": {"orders": [], "sequence": "0", "has_next": False, "cursor": ""},
            "fills": {"fills": [], "cursor": ""},
            "products": {"products": [PRODUCT], "num_products": 1},
            "accounts": {"accounts": [], "has_next": False, "cursor": "", "size": 0},
        }
        if (found := answers.get(request.method)) is not None:
            return reply(found)
        return reply({"error": "NOT_FOUND", "error_details": "not found", "message": "not found"}, 404)
