"""Keeps samples of the prices of what is held or traded, so that a chart does not begin with the start of the api.

The price feed of a venue writes them under its lease. They are for people and decide nothing; bounded by the number of symbols,
and a symbol that is not sampled any more is forgotten after a week.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.bus.scripts import load
from shared.contracts import keys
from shared.contracts.price_sample import PRICE_RING, read_price_samples, write_price_sample
from shared.contracts.sample_ring import write_label, write_minute
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

MOST: Final = 200
"""Symbols of a venue that are sampled at most."""
_FORGOTTEN_MS: Final = 7 * 24 * 3600 * 1000
_PUT: Final = load("put_sample")


class PriceSamples:
    """The samples of one venue, for their only writer."""

    def __init__(self, bus: Bus, venue: str) -> None:
        self._bus = bus
        self._venue = venue
        self._last = 0

    def due(self, now: int) -> bool:
        """Return whether a minute has begun that has no samples by this writer yet (`now`: epoch ms)."""
        return PRICE_RING.start(now) != self._last

    async def add(self, prices: Mapping[Symbol, tuple[Price, int]], now: int) -> None:
        """Write a sample of each price; what Redis refuses is left out. Raises BusUnavailable."""
        self._last = start = PRICE_RING.start(now)
        for symbol, (price, _) in list(prices.items())[:MOST]:
            key = keys.price_samples(self._venue, symbol)
            words: list[str | int] = [PRICE_RING.size, PRICE_RING.offset(start), write_price_sample(now, price.amount)]
            words += [write_minute(start), write_label(symbol.quote)]
            try:
                await self._bus.run(_PUT, [key], words)
                await self._bus.do_all([("PEXPIRE", key, _FORGOTTEN_MS)])
            except (BusRefused, BusForbidden):
                continue


async def read_prices_before(bus: Bus, venue: str, symbol: Symbol, before: int) -> list[tuple[int, Decimal]]:
    """Return the samples of a symbol until `before` (epoch ms), oldest first: instant and price. Raises BusUnavailable."""
    (ring,) = await bus.do_all([("GET", keys.price_samples(venue, symbol))])
    return [each for each in read_price_samples(ring) if each[0] < before] if isinstance(ring, str) else []
