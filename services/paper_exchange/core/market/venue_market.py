"""The one market as a venue shows it: under the venue's own symbols, in the steps of its own instruments.

Two venues share the price path, and each matches its own resting orders with it: what one has taken note of, the other has not.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from services.paper_exchange.core.instrument import Instrument
from services.paper_exchange.core.market.feed import Extremes, Feed
from services.paper_exchange.core.market.market import Market, OrderBook


class VenueMarket:
    """A venue's view. The base class is that of the venue whose symbols and steps the market itself has."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._extremes: dict[str, Extremes] = {}

    def feed(self, symbol: str) -> Feed:
        """Return the feed that a symbol trades at, advanced to the last tick. Raises KeyError."""
        return self.market.feed(symbol)

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument in whose ticks the book of a symbol is."""
        return self.market.feeds[symbol].instrument

    def book(self, symbol: str) -> OrderBook:
        """Return a symbol's present book."""
        return self.market.book(symbol)

    def last(self, symbol: str) -> Decimal:
        """Return the present price."""
        return self.market.last(symbol)

    def touched(self, symbol: str) -> tuple[int, int]:
        """Return the lowest and the highest tick of a symbol since this view was last asked."""
        feed = self.feed(symbol)
        extremes = self._extremes.get(symbol)
        if extremes is None or extremes.feed is not feed:
            extremes = self._extremes[symbol] = feed.watch()
        return extremes.take()


class OwnSteps(VenueMarket):
    """The view of a venue with steps of its own, and more than one symbol on one book."""

    def __init__(self, market: Market, instruments: Callable[[str], Instrument], book_of: Callable[[str], str]) -> None:
        """`book_of` returns the market's symbol that a symbol of the venue trades at."""
        super().__init__(market)
        self._instruments = instruments
        self._book_of = book_of

    def feed(self, symbol: str) -> Feed:
        """Return the feed that a symbol trades at, advanced to the last tick. Raises KeyError."""
        return self.market.feed(self._book_of(symbol))

    def instrument(self, symbol: str) -> Instrument:
        """Return the venue's own instrument."""
        return self._instruments(symbol)

    def book(self, symbol: str) -> OrderBook:
        """Return a symbol's present book, in its own steps."""
        return self.market.book_for(self._instruments(symbol), self._ticks(symbol, self.feed(symbol).ticks))

    def last(self, symbol: str) -> Decimal:
        """Return the present price, in its own steps."""
        return self._instruments(symbol).price_at(self._ticks(symbol, self.feed(symbol).ticks))

    def touched(self, symbol: str) -> tuple[int, int]:
        """Return the lowest and the highest price since this view was last asked, in its own ticks."""
        low, high = super().touched(symbol)
        return self._ticks(symbol, low), self._ticks(symbol, high)

    def _ticks(self, symbol: str, ticks: int) -> int:
        return max(1, self._instruments(symbol).ticks_of(self.feed(symbol).instrument.price_at(ticks)))
