"""Sets the market's prices to those of another exchange, so that paper money trades at the prices of the signals.

It reads public prices and nothing else: it has no key and signs nothing. While they cannot be read the prices stay unchanged.
Once they are too old nothing is traded at them, because such a fill would be wrong: orders are rejected as in cancel-only mode,
a definite answer that the sender cannot mistake for a lost request.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.paper_exchange.core.exchange import Exchange
from shared.domain.values.symbol import Symbol
from shared.venues.errors import VenueError
from shared.venues.port import PublicVenue

EVERY: Final = 1.5
"""Seconds between reads: a venue allows about one public call a second, and users on real money need some of them."""
TIMEOUT: Final = 3.0
"""Seconds for one read, with its retries."""
OLDEST: Final = 10.0
"""Seconds after which a price is too old to trade at: two reads may fail."""

log = structlog.get_logger(__name__)


class PriceMirror:
    """Copies the prices of one source for every symbol of an exchange."""

    def __init__(self, exchange: Exchange, source: PublicVenue, url: str) -> None:
        self._exchange = exchange
        self._source = source
        self._url = url
        self._read_at: dict[str, float] = {}
        self._reason = ""
        self._logged: tuple[str, ...] = ()
        for venue in exchange.venues:
            venue.rules.closed = self.too_old

    def too_old(self, symbol: str) -> bool:
        """Return whether the price of a symbol is too old to trade at, or was never read."""
        at = self._read_at.get(symbol)
        return at is None or self._exchange.clock.now() - at > OLDEST

    async def run(self) -> None:
        """Copy prices until cancelled."""
        while True:
            await self.read_prices()
            await asyncio.sleep(EVERY)

    async def read_prices(self) -> None:
        """Read the prices once and set the market's prices to them; on a failure they stay unchanged."""
        symbols = self._exchange.rules.symbols()
        try:
            prices = await self._source.prices([Symbol.parse(symbol) for symbol in symbols])
        except VenueError as error:
            if not self._reason:
                log.warning("prices stand still: they cannot be read", url=self._url, reason=str(error))
            self._reason = str(error)
        else:
            if self._reason:
                log.info("prices move again", url=self._url)
            self._reason = ""
            now = self._exchange.clock.now()
            for symbol, price in prices.items():
                self._exchange.set_price(str(symbol), price.amount)
                self._read_at[str(symbol)] = now
        self._log_closed_pairs(tuple(symbol for symbol in symbols if self.too_old(symbol)))

    def _log_closed_pairs(self, closed: tuple[str, ...]) -> None:
        if closed and closed != self._logged:
            log.warning("pairs that take no orders: their prices are too old or unknown", pairs=", ".join(closed))
        elif self._logged and not closed:
            log.info("every pair takes orders")
        self._logged = closed
