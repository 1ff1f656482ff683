"""What the tests of Coinbase's orders share: orders in the words of the client library, and how they are looked up."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any, Final

from tests.unit.paper_exchange.coinbase.bench import Client

BID, ASK = Decimal("59994"), Decimal("60006")
"""Around the price that every bench begins with."""
TAKER, MAKER = Decimal("0.012"), Decimal("0.006")
GTC: Final = "limit_limit_gtc"
MARKET: Final = "market_market_ioc"
ORDER_REASONS = {
    "UNKNOWN_FAILURE_REASON", "UNSUPPORTED_ORDER_CONFIGURATION", "INVALID_PRODUCT_ID", "INVALID_SIZE_PRECISION",
    "INVALID_PRICE_PRECISION", "INSUFFICIENT_FUND", "ORDER_ENTRY_DISABLED", "INVALID_LIMIT_PRICE_POST_ONLY",
    "INVALID_LIMIT_PRICE", "COMMANDER_REJECTED_NEW_ORDER", "INVALID_LEVERAGE", "UNTRADABLE_PRODUCT", "TRADING_DISABLED",
    "INVALID_BRACKET_PRICES", "INVALID_BRACKET_LIMIT_PRICE", "INVALID_BRACKET_STOP_TRIGGER_PRICE",
    "END_TIME_IS_IN_THE_PAST", "GTD_ORDERS_MUST_HAVE_END_TIME", "DUPLICATE_CLIENT_ORDER_ID",
}  # fmt: skip
"""Of the documented values of `new_order_failure_reason` those that this venue may use."""
PREVIEW_REASONS = {
    "UNKNOWN_PREVIEW_FAILURE_REASON", "PREVIEW_INVALID_ORDER_CONFIG", "PREVIEW_INVALID_PRODUCT_ID",
    "PREVIEW_INVALID_SIZE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
    "PREVIEW_INVALID_LIMIT_PRICE", "PREVIEW_INSUFFICIENT_FUND", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE",
    "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", "PREVIEW_INVALID_QUOTE_SIZE_PRECISION", "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "PREVIEW_INVALID_LEVERAGE", "PREVIEW_UNTRADABLE_PRODUCT",
    "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", "PREVIEW_INVALID_BRACKET_PRICES", "PREVIEW_INVALID_BRACKET_LIMIT_PRICE",
    "PREVIEW_INVALID_BRACKET_STOP_TRIGGER_PRICE", "PREVIEW_INVALID_STOP_PRICE_PRECISION",
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE", "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE", "PREVIEW_TRADING_DISABLED",
    "PREVIEW_INVALID_STOP_TRIGGER_PRICE_PRECISION", "PREVIEW_INVALID_BRACKET_LIMIT_PRICE_PRECISION",
    "PREVIEW_END_TIME_IS_IN_THE_PAST", "PREVIEW_GTD_ORDERS_MUST_HAVE_END_TIME",
}  # fmt: skip
"""The same of `preview_failure_reason`."""
OTHER_NAMES = {
    "UNSUPPORTED_ORDER_CONFIGURATION": "PREVIEW_INVALID_ORDER_CONFIG",
    "ORDER_ENTRY_DISABLED": "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE",
}
_numbers = count(1)


def body(
    kind: str, side: str = "BUY", product: str = "BTC-USD", *, client_id: str = "", **fields: Any
) -> dict[str, Any]:
    """Return the body of an order with one configuration; each has a client order id of its own unless one is given."""
    return {
        "client_order_id": client_id or f"id-{next(_numbers)}",
        "product_id": product,
        "side": side,
        "order_configuration": {kind: fields},
    }


def create(client: Client, kind: str, side: str = "BUY", product: str = "BTC-USD", **fields: Any) -> str:
    """Place an order that must be accepted and return its id."""
    answer = client.post("orders", body(kind, side, product, **fields))
    assert answer["success"] is True, answer
    found: str = answer["success_response"]["order_id"]
    return found


def refusal(client: Client, kind: str, side: str = "BUY", product: str = "BTC-USD", **fields: Any) -> str:
    """Place an order that must be refused and return the reason, of which each field has what its own list of names has."""
    answer = client.post("orders", body(kind, side, product, **fields))
    assert answer["success"] is False, answer
    response = answer["error_response"]
    reason: str = response["new_order_failure_reason"]
    preview: str = response["preview_failure_reason"]
    assert response["error"] == reason
    assert reason in ORDER_REASONS
    assert preview in PREVIEW_REASONS
    if reason == "UNKNOWN_FAILURE_REASON":
        return preview.removeprefix("PREVIEW_")
    assert preview in {f"PREVIEW_{reason}", OTHER_NAMES.get(reason)}
    assert answer["order_configuration"] == {kind: {name: each for name, each in fields.items() if name != "client_id"}}
    return reason


def order(client: Client, order_id: str) -> Any:
    """Return an order as it is shown now."""
    return client.get(f"orders/historical/{order_id}")["order"]


def fills(client: Client, **query: Any) -> Any:
    """Return the rows of one page of fills."""
    return client.get("orders/historical/fills", **query)["fills"]


def listed(client: Client, **query: Any) -> list[str]:
    """Return the ids on one page of orders."""
    return [row["order_id"] for row in client.get("orders/historical/batch", **query)["orders"]]


def cancel(client: Client, *order_ids: str) -> list[tuple[bool, str]]:
    """Cancel orders and return (success, failure_reason) of each."""
    results = client.post("orders/batch_cancel", {"order_ids": list(order_ids)})["results"]
    assert [row["order_id"] for row in results] == list(order_ids)
    return [(row["success"], row["failure_reason"]) for row in results]


def amounts(row: Any, *names: str) -> list[Decimal]:
    """Return fields of a row as numbers."""
    return [Decimal(row[name]) for name in names]
