"""Which product an order is on, where the stream does not say: it names the canonical product for an alias.

BTC-USDC and BTC-USD are one book and two wallets, and the wallet that pays is that of the product in the order. So for a product
that has aliases the stream's word is not enough. This remembers what this account's own requests and lookups have named.

It must never guess: an order that is not in here is asked for by REST. Sources: COINBASE.md, C16 and C25.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MOST: Final = 5_000
"""Orders that are remembered of each kind; the oldest are forgotten."""


class OrderProducts:
    """The product ids of one account's orders, by client order id and by the venue's id."""

    def __init__(self) -> None:
        self._by_client_id: dict[str, str] = {}
        self._by_id: dict[str, str] = {}

    def placed(self, request: Mapping[str, Any]) -> None:
        """Remember an order that is about to be sent."""
        _put(self._by_client_id, request.get("client_order_id"), request.get("product_id"))

    def listed(self, row: Any) -> None:
        """Remember an order as REST lists it."""
        if isinstance(row, Mapping):
            _put(self._by_id, row.get("order_id"), row.get("product_id"))

    def of(self, order_id: str, client_order_id: str) -> str | None:
        """Return the product of an order; None if it is not known."""
        return self._by_id.get(order_id) or self._by_client_id.get(client_order_id)


def _put(table: dict[str, str], name: object, product: object) -> None:
    if not (isinstance(name, str) and name and isinstance(product, str) and product):
        return
    table[name] = product
    while len(table) > _MOST:
        del table[next(iter(table))]
