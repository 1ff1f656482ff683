"""The prices at which one account itself has traded, where they are later than what the feed has published.

The feed reads pairs that are not held only every 15 s. After the first purchase of a pair, its holding would be valued for a
moment by a price from before it, and a difference between the two would count as a profit or as a loss. The own trade is
the later price. It never closes a position: an own exit waits for a later published price (`protection/guardian.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.port import VenueOrder

_SERVE_MS: Final = 60_000
"""A pair that was bought is held, and what is held is published every second: the trade bridges a few seconds."""


class TradedPrices:
    """The last trade of one account in each pair, for a minute."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` returns the venue's time, epoch ms."""
        self._clock = clock
        self._last: dict[Symbol, tuple[Price, int]] = {}

    def note(self, order: VenueOrder) -> None:
        """Note the average price of an order that has ended."""
        if order.average_price is not None and order.closed_at is not None:
            self._last[order.symbol] = order.average_price, order.closed_at

    def among(
        self, published: Mapping[Symbol, tuple[Price, int]], symbols: Collection[Symbol]
    ) -> dict[Symbol, tuple[Price, int]]:
        """Return what is published, with the own trade in those of the pairs in which it is later."""
        oldest = self._clock() - _SERVE_MS
        self._last = {symbol: known for symbol, known in self._last.items() if known[1] >= oldest}
        found = dict(published)
        for symbol, traded in self._last.items():
            if symbol in symbols and (symbol not in found or found[symbol][1] < traded[1]):
                found[symbol] = traded
        return found
