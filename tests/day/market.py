"""The prices of the day as somebody outside sees them: the exchange's public ticker, ten times a second; and its clock."""

from __future__ import annotations

import bisect
import json
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.day.masters.accounts import UNIVERSE

SYMBOLS: Final = UNIVERSE
_XBT: Final = {"BTC": "XBT"}
_EVERY: Final = 0.1


@dataclass(frozen=True, slots=True)
class MarketTime:
    """How market time runs against the wall clock: an instant of both (epoch ms), and market seconds per second."""

    wall: int
    market: int
    speed: float

    @staticmethod
    def read(clock: dict[str, Any]) -> MarketTime:
        """Read the exchange's answer."""
        return MarketTime(int(clock["wall_time"]), int(clock["market_time"]), float(clock["speed"]))

    def at(self, wall: int) -> int:
        """Return the market's instant at an instant of the wall clock."""
        return self.market + round((wall - self.wall) * self.speed)


class Prices:
    """Every price that was seen, by symbol, in the order of time (epoch ms)."""

    def __init__(self) -> None:
        self._at: dict[str, list[int]] = defaultdict(list)
        self._price: dict[str, list[Decimal]] = defaultdict(list)

    def add(self, symbol: str, at: int, price: Decimal) -> None:
        """Add one; later ones may come first."""
        where = bisect.bisect_right(self._at[symbol], at)
        self._at[symbol].insert(where, at)
        self._price[symbol].insert(where, price)

    def at(self, symbol: str, at: int) -> Decimal:
        """Return the last price seen at an instant, the first one before any was."""
        return self._price[symbol][max(bisect.bisect_right(self._at[symbol], at) - 1, 0)]

    def latest(self, symbol: str) -> Decimal:
        """Return the newest price."""
        return self._price[symbol][-1]

    def lowest(self, symbol: str, since: int, until: int) -> Decimal:
        """Return the lowest price of a span, its beginning included."""
        return min(self._span(symbol, since, until))

    def highest(self, symbol: str, since: int, until: int) -> Decimal:
        """Return the highest price of a span, its beginning included."""
        return max(self._span(symbol, since, until))

    def instants(self) -> Sequence[int]:
        """Return the instants at which the first symbol was seen."""
        return self._at[SYMBOLS[0]]

    def all_instants(self) -> Sequence[int]:
        """Return the instants at which any symbol was seen, trades included."""
        return sorted({at for seen in self._at.values() for at in seen})

    def _span(self, symbol: str, since: int, until: int) -> Sequence[Decimal]:
        first = max(bisect.bisect_right(self._at[symbol], since) - 1, 0)
        last = max(bisect.bisect_right(self._at[symbol], until), first + 1)
        return self._price[symbol][first:last]


class Watcher:
    """Asks until it is told to stop."""

    def __init__(self, port: int) -> None:
        self.prices = Prices()
        pairs = ",".join(f"{_kraken(symbol)}USD" for symbol in SYMBOLS)
        self._url = f"http://127.0.0.1:{port}/0/public/Ticker?pair={pairs}"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._done.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._done.wait(_EVERY):
            with suppress(OSError):
                self._look()

    def _look(self) -> None:
        with urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310  # the URL is built right here
            found = json.loads(answer.read())["result"]
        now = int(time.time() * 1000)
        for symbol in SYMBOLS:
            row = next(row for pair, row in found.items() if _kraken(symbol) in pair)
            self.prices.add(symbol, now, Decimal(row["c"][0]))


def _kraken(symbol: str) -> str:
    base = symbol.partition("/")[0]
    return _XBT.get(base, base)
