"""Coinbase's public calls: products with their steps, prices, candles. Shared by all accounts of a process; they need no key.

Minimums, steps and flags change while a program runs, so the list of products has an age. When it is old and the venue does not
answer, the old list stays in use: an exit must not wait for it, and the venue itself refuses an order with an outdated step.

It must never return the candle that is still forming, nor a price of zero. Sources: COINBASE.md, C16 to C18.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.coinbase import parse
from shared.venues.coinbase.errors import failure_of
from shared.venues.coinbase.transport import CoinbaseApi, Query
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable, VenueError, as_read
from shared.venues.patience import with_patience
from shared.venues.port import Candle
from shared.venues.row_log import RowLog
from shared.venues.venue_clock import VenueTime

PRODUCTS_MAX_AGE: Final = 600_000  # ms
_PRODUCTS_RETRY: Final = 30_000  # ms to the next attempt after the list could not be fetched
_BATCH: Final = 50  # products named in a call, so that the URL stays short; for more, all are queried
_CANDLES: Final = 300  # candles asked for; at most 350 are given at once (C18)
_GRANULARITIES: Final = {
    1: "ONE_MINUTE",
    5: "FIVE_MINUTE",
    15: "FIFTEEN_MINUTE",
    30: "THIRTY_MINUTE",
    60: "ONE_HOUR",
    120: "TWO_HOUR",
    240: "FOUR_HOUR",
    360: "SIX_HOUR",
    1440: "ONE_DAY",
}
_MILLISECOND: Final = 1

_log = structlog.get_logger(__name__)


class CoinbasePublic:
    """The public calls of one URL, and the list of products."""

    name: str = VenueName.COINBASE

    def __init__(self, api: CoinbaseApi, *, timeout: float, clock: VenueTime, rows: RowLog | None = None) -> None:
        self.rows = rows or RowLog()
        self._api = api
        self._timeout = timeout
        self._clock = clock
        self._products: Mapping[Symbol, Instrument] | None = None
        self._aliases: Mapping[str, str] = {}
        self._with_aliases: frozenset[str] = frozenset()
        self._old_at = 0
        self._refreshing = asyncio.Lock()

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return all spot products, at most ten minutes old while the venue answers. Raises Unavailable if there are none."""
        if self._products is not None and self._clock() < self._old_at:
            return self._products
        async with self._refreshing:
            if self._products is not None and self._clock() < self._old_at:
                return self._products
            try:
                self._products = await self._list()
            except VenueError as error:
                if self._products is None:
                    raise
                self._old_at = self._clock() + _PRODUCTS_RETRY
                _log.warning("list of products is old and the venue did not give a new one", words=str(error))
            else:
                self._old_at = self._clock() + PRODUCTS_MAX_AGE
            return self._products

    async def product_id(self, symbol: Symbol) -> str:
        """Return the venue's name of a product. Raises Rejected if it is not listed; no order waits for a newer list."""
        if symbol in (self._products or {}) or symbol in await self.instruments():
            return f"{symbol.base}-{symbol.quote}"
        raise Rejected(f"Coinbase lists no spot product {symbol}")

    def book_of(self, symbol: Symbol) -> str:
        """Return the id of the product whose book a product has, by the last list: its own, unless it is an alias (C16)."""
        product = f"{symbol.base}-{symbol.quote}"
        return self._aliases.get(product, product)

    def is_ambiguous(self, product_id: str) -> bool:
        """Return whether a stream may name this product for an order on an alias of it (C16, C25)."""
        return product_id in self._with_aliases

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the prices of the last trades."""
        listed = self._products or await self.instruments()
        wanted = [symbol for symbol in symbols if symbol in listed]
        if not wanted:
            return {}
        query: Query = {}
        if len(wanted) <= _BATCH:
            query = {"product_ids": [f"{symbol.base}-{symbol.quote}" for symbol in wanted]}
        answer = await self.ask("/market/products", query)
        with parse.readable("products"):
            found = parse.prices(answer["products"])
        return {symbol: found[symbol] for symbol in wanted if symbol in found}

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the committed candles of a symbol, oldest first. Minutes without a trade have none.

        Raises Rejected for a length that Coinbase does not have.
        """
        product = await self.product_id(symbol)
        if minutes not in _GRANULARITIES:
            raise Rejected(f"Coinbase has no candles of {minutes} minutes")
        seconds, now = minutes * 60, self._clock()
        query: Query = {
            "start": now // 1000 - _CANDLES * seconds,
            "end": now // 1000,
            "granularity": _GRANULARITIES[minutes],
        }
        answer = await self.ask(f"/market/products/{product}/candles", query)
        with parse.readable("candles"):
            return parse.candles(answer["candles"], seconds=seconds, now=now)

    async def ask_time(self) -> None:
        """Query the venue's time; the clock learns from it (docs.cdp.coinbase.com, Get Server Time)."""
        began = time.monotonic()
        answer = await self.ask("/time")
        ended = time.monotonic()
        with parse.readable("time"):
            at = parse.milliseconds(answer["epochMillis"])
        self._clock.note(at, _MILLISECOND, began, ended)

    async def close(self) -> None:
        """Close nothing: the HTTP session belongs to its creator."""

    def distrust(self) -> None:
        """Mark the list of products as old: the venue refused an order for its size, its price or its product."""
        self._old_at = 0

    async def ask(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """Send a public lookup, again while the venue is unavailable. Raises Unavailable, Rejected."""

        async def once() -> dict[str, Any]:
            try:
                reply = await self._api.ask(path, query, public=True)
            except VenueError as error:
                raise as_read(error) from None
            failure = failure_of(reply, order=False)
            if isinstance(failure, OutcomeUnknown):
                self._api.doubt()  # a gateway that answered for Coinbase may deliver Coinbase's own answer later
            if failure is not None:
                raise as_read(failure)
            return reply.body or {}

        return await with_patience(once, self._timeout)

    async def _list(self) -> Mapping[Symbol, Instrument]:
        answer = await self.ask("/market/products", {"product_type": "SPOT"})
        with parse.readable("products"):
            found, unusable = parse.instruments(answer["products"], self._clock())
            self._aliases = parse.aliases(answer["products"])
            self._with_aliases = parse.with_aliases(answer["products"])
        self.rows.note("products", unusable)
        if not found:
            raise Unavailable("Coinbase lists no products")
        return found
