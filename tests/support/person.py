"""A person, or another bot, with a key of their own on an account: orders past Shoal, signed as the venue has them signed."""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from coinbase import jwt_generator

from services.paper_exchange.kraken.gate import sign
from tests.support.stack import Stack


class Person:
    """A further key of an account at Kraken."""

    def __init__(self, stack: Stack, user: str) -> None:
        self._url = f"http://127.0.0.1:{stack.paper_port}"
        self.key, self.secret = further_key(stack, user)

    def trade(self, side: str, volume: str, pair: str = "XBTUSD", **more: str) -> str:
        """Place an order, at market unless told otherwise; give its id."""
        order = {"pair": pair, "type": side, "ordertype": "market", "volume": volume, **more}
        return str(self.call("AddOrder", **order)["txid"][0])

    def call(self, method: str, **fields: str) -> Any:
        """Make a private call that must succeed; give its result."""
        path = f"/0/private/{method}"
        body = urlencode({"nonce": str(time.time_ns()), **fields}).encode()
        nonce = body.decode().partition("&")[0].partition("=")[2]
        signature = sign(base64.b64decode(self.secret), path, nonce, body)
        headers = {
            "API-Key": self.key,
            "API-Sign": signature.decode() if isinstance(signature, bytes) else signature,
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "a person",
        }
        request = urllib.request.Request(self._url + path, data=body, headers=headers)  # noqa: S310  # built right here
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the URL is built right here
            told = json.loads(answer.read())
        assert told["error"] == [], told
        return told["result"]


class CoinbasePerson:
    """A further key of an account at Coinbase, used with the tokens of the official library."""

    def __init__(self, stack: Stack, user: str) -> None:
        self._url = f"http://127.0.0.1:{stack.paper_port}"
        made = stack.post("/paper/accounts", {"user": user, "venue": "coinbase"})
        self.key, self.secret = made["api_key"], made["api_secret"]

    def trade(self, side: str, volume: str, product: str = "BTC-USD") -> str:
        """Place an order at market; give its id."""
        order = {
            "client_order_id": str(uuid4()),
            "product_id": product,
            "side": side.upper(),
            "order_configuration": {"market_market_ioc": {"base_size": volume}},
        }
        told = self.call("/api/v3/brokerage/orders", order)
        assert told["success"] is True, told
        return str(told["success_response"]["order_id"])

    def convert(self, dollars: str) -> None:
        """Exchange USD for USDC: money moves between two wallets, and there is no order."""
        wallets = {"from_account": "USD", "to_account": "USDC"}
        quote = self.call("/api/v3/brokerage/convert/quote", {**wallets, "amount": dollars})
        done = self.call(f"/api/v3/brokerage/convert/trade/{quote['trade']['id']}", wallets)
        assert done["trade"]["status"] == "TRADE_STATUS_COMPLETED", done

    def call(self, path: str, body: dict[str, Any]) -> Any:
        """Post to a path; give the answer."""
        uri = jwt_generator.format_jwt_uri("POST", path)
        headers = {
            "Authorization": f"Bearer {jwt_generator.build_rest_jwt(uri, self.key, self.secret)}",
            "Content-Type": "application/json",
            "User-Agent": "a person",
        }
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=headers)  # noqa: S310  # built right here
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the URL is built right here
            return json.loads(answer.read())


def further_key(stack: Stack, user: str, permissions: Sequence[str] = ()) -> tuple[str, str]:
    """Make one more key of an account at Kraken, with the usual rights unless others are named."""
    key, secret = f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()
    rights = {"permissions": list(permissions)} if permissions else {}
    stack.post("/paper/accounts", {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret, **rights})
    return key, secret
