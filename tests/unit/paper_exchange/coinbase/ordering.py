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
    """Place an order that must be refused and return the reason, which all fields must agree on."""
    answer = client.post("orders", body(kind, side, product, **fields))
    assert answer["success"] is False, answer
    response = answer["error_response"]
    reason: str = response["error"]
    assert response["new_order_failure_reason"] == reason
    assert response["preview_failure_reason"] in {f"PREVIEW_{reason}", "UNKNOWN_PREVIEW_FAILURE_REASON"}
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
