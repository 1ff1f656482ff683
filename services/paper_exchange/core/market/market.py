"""All feeds, and the synthetic order book around each price.

The book is a function of the price alone: half the spread on either side, then levels one step apart that grow deeper with
distance. An order that is larger than the first level therefore slips. The market's next step restores what an order took.

    best bid = last - spread/2, rounded down to the tick      level k: price = best +- k x step, step = level_bps of last
    best ask = last + spread/2, rounded up to the tick                 volume = depth x (1 + k/4) / price
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.core.market.clock import MarketClock
from services.paper_exchange.core.market.feed import Feed

LEVELS: Final = 500


@dataclass(frozen=True, slots=True)
class Depth:
    """The shape of the book: the spread and the distance of levels in basis points, the first level's value in quote."""

    spread_bps: float = 2.0
    level_bps: float = 1.0
    value: int = 100_000


class OrderBook:
    """One symbol's present order book, in ticks."""

    __slots__ = ("_depth", "ask", "bid", "instrument", "last", "step")

    def __init__(self, instrument: Instrument, last: int, depth: Depth) -> None:
        self.instrument = instrument
        self.last = last
        half = last * depth.spread_bps / 20_000
        self.bid = max(1, int(last - half))
        self.ask = max(self.bid, -int(-(last + half) // 1))
        self.step = max(1, round(last * depth.level_bps / 10_000))
        self._depth = depth

    def best(self, side: Side) -> int:
        """Return the tick at which an order of this side would trade at once."""
        return self.ask if side is Side.BUY else self.bid

    def touch_size(self, ticks: int) -> Decimal:
        """Return the size that trades against a resting order at this price per step of the market."""
        instrument = self.instrument
        return instrument.floor_size(self._depth.value / instrument.price_at(ticks))

    def levels(self, side: Side, limit: int | None = None) -> Iterator[tuple[Decimal, Decimal]]:
        """Iterate over the levels (price, size) for an order of this side, best first, not beyond `limit` (ticks)."""
        instrument = self.instrument
        sign = 1 if side is Side.BUY else -1
        ticks = self.best(side)
        for level in range(LEVELS):
            if ticks < 1 or (limit is not None and (ticks - limit) * sign > 0):
                return
            price = instrument.price_at(ticks)
            size = instrument.floor_size(Decimal(self._depth.value * (4 + level)) / (4 * price))
            if size:
                yield price, size
            ticks += sign * self.step


class Market:
    """Every symbol's feed on one market clock."""

    def __init__(self, clock: MarketClock, feeds: dict[str, Feed], depth: Depth) -> None:
        self.clock = clock
        self.feeds = feeds
        self._depth = depth
        self._books: dict[str, tuple[int, OrderBook]] = {}
        self.now = clock.now()

    def tick(self) -> None:
        """Advance to now. Between two calls the market does not move, so that a request sees one price throughout."""
        self.now = self.clock.now()

    def feed(self, symbol: str) -> Feed:
        """Return a symbol's feed, advanced to the last `tick`. Raises KeyError for an unknown symbol."""
        feed = self.feeds[symbol]
        feed.advance(self.now, self.clock.speed)
        return feed

    def replace(self, symbol: str, instrument: Instrument, price: Decimal) -> None:
        """Continue a symbol's feed under another name, from this price on."""
        feed = self.feeds.pop(symbol)
        self._books.pop(symbol, None)
        feed.instrument = instrument
        feed.set_price(price)
        self.feeds[instrument.symbol] = feed

    def advance(self) -> None:
        """Advance every feed to the last `tick`."""
        for symbol in self.feeds:
            self.feed(symbol)

    def book(self, symbol: str) -> OrderBook:
        """Return a symbol's present book."""
        feed = self.feed(symbol)
        known = self._books.get(symbol)
        if known is not None and known[0] == feed.version:
            return known[1]
        book = OrderBook(feed.instrument, feed.ticks, self._depth)
        self._books[symbol] = (feed.version, book)
        return book

    def book_at(self, feed: Feed, ticks: int) -> OrderBook:
        """Return the book around another price."""
        return OrderBook(feed.instrument, ticks, self._depth)

    def book_for(self, instrument: Instrument, ticks: int) -> OrderBook:
        """Return the book around a price in the steps of another venue's instrument."""
        return OrderBook(instrument, ticks, self._depth)

    def last(self, symbol: str) -> Decimal:
        """Return the present price."""
        feed = self.feed(symbol)
        return feed.instrument.price_at(feed.ticks)
