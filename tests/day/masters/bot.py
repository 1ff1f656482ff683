"""A bot of the master's owner, on an account that Shoal only mirrors: market orders by a key of its own, drawn from the seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Final
from uuid import UUID

from tests.chaos.trading.orders import MarketOrder, PersonsKey
from tests.day.market import Prices
from tests.day.masters.accounts import CASH
from tests.support.stack import Stack

TRADED: Final = ("BTC/USD", "ETH/USD", "SOL/USD")
"""Symbols that the strategy trades as well: users hold them for both masters at once."""
_SHARES: Final = (4, 6, 8, 12)
"""Of the account's money at the day's beginning, per cent of it for one purchase."""
_PARTS: Final = (Decimal(1), Decimal(1), Decimal("0.5"), Decimal("0.3"))
_BUYS_MORE: Final = 0.4
_SMALL: Final = Decimal(50)
_PAUSE: Final = (0.010, 0.021)
"""Between two orders, as a share of the day."""
_LAST: Final = 0.96
"""Share of the day after which it rests."""


class Bot:
    """Trades in a thread of its own: buys what it does not hold, and sells parts or all of what it does."""

    def __init__(self, stack: Stack, venue: str, prices: Prices, note: Callable[..., None]) -> None:
        self._stack = stack
        self._venue = venue
        self._prices = prices
        self._note = note
        self._key = PersonsKey(venue, "", "", "")
        self._thread = threading.Thread(daemon=True)
        self.failed: list[str] = []

    def open(self) -> None:
        """Have a second key made for the account, which must be open."""
        made = self._stack.post("/paper/accounts", {"user": "master", "venue": self._venue, "balances": {}})
        url = f"http://127.0.0.1:{self._stack.paper_port}"
        self._key = PersonsKey(self._venue, url, str(made["api_key"]), str(made["api_secret"]))

    def start(self, seconds: float, seed: int) -> None:
        """Begin a day of so many seconds."""
        self._thread = threading.Thread(target=self._run, args=(seconds, seed), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for its last order."""
        self._thread.join(60)

    def _run(self, seconds: float, seed: int) -> None:
        dice, end = random.Random(f"{seed} bot"), time.monotonic() + seconds * _LAST  # its trades are play
        try:
            while time.monotonic() < end:
                time.sleep(dice.uniform(*_PAUSE) * seconds)  # the bot's own pace: nothing is waited for
                self._trade(dice)
        except Exception as error:
            self.failed.append(f"the bot could not go on: {error!r}")
            raise

    def _trade(self, dice: random.Random) -> None:
        symbol, share, part = dice.choice(TRADED), dice.choice(_SHARES), dice.choice(_PARTS)
        more, name = dice.random() < _BUYS_MORE, str(UUID(int=dice.getrandbits(128), version=4))
        price = self._prices.latest(symbol)
        balances = self._stack.get(f"/paper/accounts/master/{self._venue}")["balances"]
        held = Decimal(balances.get(symbol.partition("/")[0], "0"))
        wanted = Decimal(CASH) * share / 100
        affords = Decimal(balances.get("USD", "0")) > 2 * wanted
        buys = affords and (more or held * price < _SMALL)
        size = (wanted / price if buys else held * part).quantize(self._key.step(symbol), ROUND_DOWN)
        if size * price < _SMALL / 2:
            return
        said = self._key.place(MarketOrder(name, symbol, "buy" if buys else "sell", size))
        self._note("the bot's order", symbol=symbol, buys=buys, size=str(size), refused=said)
