"""A person who trades on the master's account with a key of their own, while the real master service is killed around them.

Their orders go through the exchange's faults like everybody's. The exchange's own record says what became of each; what fills is
what the users have to be told, once.
"""

from __future__ import annotations

import hmac
import json
import queue
import threading
import time
import urllib.parse
import urllib.request
from base64 import b64decode, b64encode
from decimal import ROUND_DOWN, Decimal
from hashlib import sha256
from typing import Any, Final

from tests.chaos.trading.market import MASTER_EQUITY, PlannedSignal
from tests.support.stack import Stack

MASTER: Final = "master"
_ADD_ORDER: Final = "/0/private/AddOrder"
_LOT: Final = Decimal("1e-8")
_TIMEOUT: Final = 8.0
_AGAIN: Final = 0.5
_TRIES: Final = 40


class Person:
    """Places one market order after the other in the background, in the order of wishing."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._wishes: queue.Queue[PlannedSignal | None] = queue.Queue()
        self._thread = threading.Thread(target=self._trade_all, daemon=True)
        self.given_up: list[str] = []

    def open(self) -> None:
        """Open the account, with the service's key, then a second key for the person."""
        self._stack.open_account(MASTER, USD=int(MASTER_EQUITY))
        made = self._stack.post("/paper/accounts", {"user": MASTER, "venue": "kraken", "balances": {}})
        self._key, self._secret = str(made["api_key"]), str(made["api_secret"])
        self._thread.start()

    def wish(self, signal: PlannedSignal) -> None:
        """Have an order placed as soon as those before it are."""
        self._wishes.put(signal)

    def finish(self, seconds: float) -> bool:
        """Wait until every order is placed; answers whether that came about."""
        self._wishes.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _trade_all(self) -> None:
        while (wish := self._wishes.get()) is not None:
            if not self._place(wish):
                self.given_up.append(wish.id)

    def _place(self, wish: PlannedSignal) -> bool:
        """Place an order, and again only if the exchange's record shows that it never had it."""
        for _ in range(_TRIES):
            try:
                size = self._size(wish)
                if size <= 0 or self._known(wish.id):
                    return True
                said = self._ask(wish, size)
            except (OSError, ValueError):
                said = "no answer"
            if not said or "minimum" in said or self._known(wish.id):
                return True
            time.sleep(_AGAIN)  # a person waits a moment before they try again
        return False

    def _size(self, wish: PlannedSignal) -> Decimal:
        if not wish.fraction:
            return wish.size
        account = self._stack.get(f"/paper/accounts/{MASTER}/kraken")
        held = Decimal(account["balances"].get(wish.symbol.partition("/")[0], "0"))
        return (held * Decimal(wish.fraction)).quantize(_LOT, ROUND_DOWN)

    def _known(self, client_order_id: str) -> bool:
        return bool(self._stack.get(f"/paper/orders?client_order_id={client_order_id}"))

    def _ask(self, wish: PlannedSignal, size: Decimal) -> str:
        """Send the order; answers the exchange's error, empty if it took it."""
        nonce = str(time.time_ns() // 1000)
        form: dict[str, Any] = {
            "nonce": nonce,
            "pair": wish.symbol.replace("/", ""),
            "type": "sell" if wish.fraction else "buy",
            "ordertype": "market",
            "volume": f"{size:f}",
            "oflags": "fciq",
            "cl_ord_id": wish.id,
        }
        body = urllib.parse.urlencode(form)
        message = _ADD_ORDER.encode() + sha256((nonce + body).encode()).digest()
        headers = {
            "API-Key": self._key,
            "API-Sign": b64encode(hmac.digest(b64decode(self._secret), message, "sha512")).decode(),
        }
        url = f"http://127.0.0.1:{self._stack.paper_port}{_ADD_ORDER}"
        request = urllib.request.Request(url, data=body.encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310  # the URL is built right here
            return "; ".join(json.loads(answer.read())["error"])
