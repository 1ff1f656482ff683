"""Orders of a person with a key of their own, signed as each venue wants it."""

from __future__ import annotations

import hmac
import json
import time
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from coinbase.jwt_generator import build_rest_jwt, format_jwt_uri

_TIMEOUT: Final = 8.0
_ADD_ORDER: Final = "/0/private/AddOrder"
_CREATE_ORDER: Final = "/api/v3/brokerage/orders"
_LOT: Final = Decimal("1e-8")
_COARSE: Final = {("coinbase", "LINK/USD"): Decimal("0.01")}


@dataclass(frozen=True, slots=True)
class MarketOrder:
    """What a person wants."""

    client_order_id: str
    symbol: str
    side: str
    size: Decimal


@dataclass(frozen=True, slots=True)
class PersonsKey:
    """A key, and where it is used. Every call raises OSError or ValueError for an answer that says nothing."""

    venue: str
    url: str
    key: str
    secret: str

    def step(self, symbol: str) -> Decimal:
        """Return the step of sizes at the venue."""
        return _COARSE.get((self.venue, symbol), _LOT)

    def place(self, order: MarketOrder) -> str:
        """Send an order; answers the venue's error, empty if it took it."""
        return self._at_coinbase(order) if self.venue == "coinbase" else self._at_kraken(order)

    def _at_kraken(self, order: MarketOrder) -> str:
        nonce = str(time.time_ns() // 1000)
        form = {
            "nonce": nonce,
            "pair": order.symbol.replace("/", ""),
            "type": order.side,
            "ordertype": "market",
            "volume": f"{order.size:f}",
            "oflags": "fciq",
            "cl_ord_id": order.client_order_id,
        }
        body = urllib.parse.urlencode(form)
        message = _ADD_ORDER.encode() + sha256((nonce + body).encode()).digest()
        signature = b64encode(hmac.digest(b64decode(self.secret), message, "sha512")).decode()
        answer = self._post(_ADD_ORDER, body, {"API-Key": self.key, "API-Sign": signature})
        return "; ".join(answer["error"])

    def _at_coinbase(self, order: MarketOrder) -> str:
        body = {
            "client_order_id": order.client_order_id,
            "product_id": order.symbol.replace("/", "-"),
            "side": order.side.upper(),
            "order_configuration": {"market_market_ioc": {"base_size": f"{order.size:f}"}},
        }
        token = build_rest_jwt(format_jwt_uri("POST", _CREATE_ORDER), self.key, self.secret)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = self._post(_CREATE_ORDER, json.dumps(body), headers)
        return "" if answer["success"] else str(answer["error_response"]["new_order_failure_reason"])

    def _post(self, path: str, body: str, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", body.encode(), dict(headers))  # noqa: S310  # built by the run
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read())


def is_too_small(error: str) -> bool:
    """Return whether a venue refused an order for its size alone, which no repetition changes."""
    return "minimum" in error or "TOO_SMALL" in error
