"""A person, or another bot, with a key of their own on an account: orders past Shoal, signed as Kraken has them signed."""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.request
from typing import Any
from urllib.parse import urlencode

from services.paper_exchange.kraken.gate import sign
from tests.support.stack import Stack


class Person:
    """A further key of an account."""

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


def further_key(stack: Stack, user: str) -> tuple[str, str]:
    """Make one more key of an account."""
    key, secret = f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()
    stack.post("/paper/accounts", {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret})
    return key, secret
