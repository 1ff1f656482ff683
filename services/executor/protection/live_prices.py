"""What the venue's stream shows now: the prices of the last trades, as of its last sign of life.

It must never keep a price alive that the stream does not: after an interruption or a silence everything is forgotten, and each
pair is read by REST until the stream has shown it again. A subscription that the venue has dropped in silence, while its
heartbeat goes on, is found by the slow REST read (`compare`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

import structlog

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

SILENCE: Final = 5.0
"""Seconds without a sign of life after which nothing is shown; both venues give one a second."""
_MOVING: Final = 10.0
"""Seconds after a row of a pair in which REST may differ from it: either may be the older one."""
ASIDE: Final = 600.0
"""Seconds for which a pair is read by REST after the stream has missed a trade of it."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Shown:
    price: Price
    since: float
    """Steady instant of its last row."""


class LivePrices:
    """The `PriceListener` of one venue's feed."""

    def __init__(self, venue: str, steady: Callable[[], float] = time.monotonic) -> None:
        self._venue = venue
        self._steady = steady
        self._followed: frozenset[Symbol] = frozenset()
        self._shown: dict[Symbol, _Shown] = {}
        self._suspected: set[Symbol] = set()
        self._aside: dict[Symbol, float] = {}
        self._news: set[Symbol] = set()
        self._at = self._published = 0
        self._heard = -inf
        self._down: bool | None = None
        """Whether nothing is shown; None before that is known. Only changes are logged."""
        self.changed = asyncio.Event()
        """Set when a price has changed, until `take_changed`."""
        self.doubted = asyncio.Event()
        """Set when a pair is shown no longer, so that it is read at once; cleared by who reads."""

    def follow(self, symbols: Collection[Symbol]) -> None:
        """Hear of these pairs and no others."""
        self._followed = frozenset(symbols)
        self._forget(self._shown.keys() - self._followed)

    def seen(self, price: Price, at: int) -> None:
        """Hear the price of a last trade."""
        self.alive(at)
        symbol, now = price.symbol, self._steady()
        if symbol not in self._followed or now < self._aside.get(symbol, -inf):
            return
        self._aside.pop(symbol, None)
        known = self._shown.get(symbol)
        self._shown[symbol] = _Shown(price, now)
        if self._down is not False:
            self._down = False
            log.info("prices come by the stream", venue=self._venue)
        if known is None or known.price != price:
            self._news.add(symbol)
            self.changed.set()

    def alive(self, at: int) -> None:
        """Hear a sign of life. After a silence it revives nothing: rows may be on their way that are old."""
        self._expire()
        self._heard, self._at = self._steady(), max(at, self._at)

    def unseen(self, symbols: Collection[Symbol], why: str) -> None:
        """Hear that some pairs are shown no longer."""
        if gone := self._shown.keys() & set(symbols):
            log.warning("pairs are not streamed", venue=self._venue, symbols=sorted(map(str, gone)), reason=why)
            self._forget(gone)
            self.doubted.set()

    def interrupted(self, why: str) -> None:
        """Hear that nothing is shown."""
        if not self._down:
            self._down = True
            log.warning("prices are read by REST: the stream was interrupted", venue=self._venue, reason=why)
        self._forget(list(self._shown))
        self._heard = -inf
        self.doubted.set()

    def reset(self) -> None:
        """Forget what was shown: the stream has ended with this process's lease of the feed."""
        self._down = None
        self._forget(list(self._shown))
        self._heard = -inf

    def covers(self, symbol: Symbol) -> bool:
        """Return whether the stream shows a pair now."""
        self._expire()
        return symbol in self._shown

    @property
    def suspected(self) -> frozenset[Symbol]:
        """Return the pairs that REST has shown at another price: they are to be read once more."""
        return frozenset(self._suspected)

    def take_changed(self) -> tuple[list[Price], int]:
        """Return the prices that have changed since the last call, and the instant (epoch ms) as of which they are known."""
        self._expire()
        self.changed.clear()
        found = [self._shown[symbol].price for symbol in self._news]
        self._news.clear()
        return found, self._at

    def take_all(self) -> tuple[list[Price], int]:
        """Return every price that is shown and the instant as of which; none if there was no sign of life since the last call."""
        self.take_changed()
        if self._at <= self._published:
            return [], self._at
        self._published = self._at
        return [shown.price for shown in self._shown.values()], self._at

    def compare(self, read: Mapping[Symbol, Price]) -> list[Price]:
        """Compare with what REST has just answered; return the prices that REST has to publish.

        A pair that REST shows at another price twice, while the stream shows no row of it, has lost its subscription.
        """
        due: list[Price] = []
        for symbol, price in read.items():
            if not self.covers(symbol):
                due.append(price)
            elif self._agrees(symbol, price):
                self._suspected.discard(symbol)
            elif symbol not in self._suspected:
                self._suspected.add(symbol)
            else:
                self._aside[symbol] = self._steady() + ASIDE
                self.unseen([symbol], f"REST shows {price}, the stream {self._shown[symbol].price}")
                due.append(price)
        return due

    def _agrees(self, symbol: Symbol, price: Price) -> bool:
        shown = self._shown[symbol]
        return shown.price == price or self._steady() - shown.since < _MOVING

    def _expire(self) -> None:
        if self._shown and self._steady() - self._heard > SILENCE:
            self.interrupted(f"no sign of life for {SILENCE:.0f} s")

    def _forget(self, symbols: Collection[Symbol]) -> None:
        for symbol in list(symbols):
            self._shown.pop(symbol, None)
            self._suspected.discard(symbol)
            self._news.discard(symbol)
