"""A person who trades on a master's account with a key of their own, while the real master service is killed around them.

Their orders go through the exchange's faults like everybody's. The exchange's own record says what became of each; what fills is
what the users have to be told, once.
"""

from __future__ import annotations

import queue
import threading
import time
from decimal import ROUND_DOWN, Decimal
from typing import Final

from tests.chaos.trading.market import MASTER_EQUITY, PlannedSignal
from tests.chaos.trading.orders import MarketOrder, PersonsKey, is_too_small
from tests.support.stack import Stack

MASTER: Final = "master"
_AGAIN: Final = 0.5
_TRIES: Final = 40


class Person:
    """Places market orders on the master's account at one venue in the background, one after the other as they are wished for."""

    def __init__(self, stack: Stack, venue: str) -> None:
        self._stack = stack
        self._venue = venue
        self._key = PersonsKey(venue, "", "", "")
        self._wishes: queue.Queue[PlannedSignal | None] = queue.Queue()
        self._thread = threading.Thread(target=self._trade_all, daemon=True)
        self.given_up: list[str] = []

    def open(self) -> None:
        """Open the account, with the service's key, then a second key for the person."""
        self._stack.open_account(MASTER, venue=self._venue, USD=int(MASTER_EQUITY))
        made = self._stack.post("/paper/accounts", {"user": MASTER, "venue": self._venue, "balances": {}})
        url = f"http://127.0.0.1:{self._stack.paper_port}"
        self._key = PersonsKey(self._venue, url, str(made["api_key"]), str(made["api_secret"]))
        self._thread.start()

    @property
    def api_key(self) -> str:
        """Return the key that is the person's own; empty before the account is open."""
        return self._key.key

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
                side = "sell" if wish.fraction else "buy"
                said = self._key.place(MarketOrder(wish.id, wish.symbol, side, size))
            except (OSError, ValueError, KeyError):
                said = "no answer"
            if not said or is_too_small(said) or self._known(wish.id):
                return True
            time.sleep(_AGAIN)  # a person waits a moment before they try again
        return False

    def _size(self, wish: PlannedSignal) -> Decimal:
        step = self._key.step(wish.symbol)
        if not wish.fraction:
            return wish.size.quantize(step, ROUND_DOWN)
        account = self._stack.get(f"/paper/accounts/{MASTER}/{self._venue}")
        held = Decimal(account["balances"].get(wish.symbol.partition("/")[0], "0"))
        return (held * Decimal(wish.fraction)).quantize(step, ROUND_DOWN)

    def _known(self, client_order_id: str) -> bool:
        return bool(self._stack.get(f"/paper/orders?client_order_id={client_order_id}"))
