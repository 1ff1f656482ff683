"""One user's account through krakenex as it comes, over requests; the nonce is whoever's who makes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import krakenex

from shared.domain.order import order_id


class KrakenexUser(krakenex.API):  # type: ignore[misc]  # krakenex ships no types
    """krakenex with its nonces from outside: its own are milliseconds of the clock and collide."""

    def __init__(self, url: str, user: str, key: str, secret: str, nonces: Callable[[], int]) -> None:
        super().__init__(key=key, secret=secret)
        self.uri = url
        self.user = user
        self._nonces = nonces

    def buy(self, signal_id: str) -> None:
        """Place the order of a signal. Raises RuntimeError if the venue refuses it."""
        self._checked(
            "AddOrder",
            {
                "pair": "XBTUSD",
                "type": "buy",
                "ordertype": "limit",
                "volume": "0.01",
                "price": "60300.0",
                "cl_ord_id": order_id(signal_id, self.user, "kraken"),
            },
        )

    def look_at_balance(self) -> None:
        """Ask for the balance, as one does who sizes by it."""
        self._checked("Balance", {})

    def _nonce(self) -> int:
        return self._nonces()

    def _checked(self, method: str, params: dict[str, str]) -> Any:
        answer = self.query_private(method, params, timeout=20)
        if answer["error"]:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]
