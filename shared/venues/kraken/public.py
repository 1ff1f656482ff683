"""Kraken's public calls: pairs with their steps, prices, candles. Shared by all accounts of a process.

Minimums and ticks change while a program runs, so the list of pairs has an age. When it is old and the venue does not answer, the
old list stays in use: an exit must not wait for it, and an order with an outdated step is refused by the venue itself.

It must never return the candle that is still forming, nor a price of zero.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.errors import Rejected, Unavailable, VenueError, as_read
from shared.venues.kraken import parse
from shared.venues.kraken.errors import failure_of
from shared.venues.kraken.symbols import AssetNames, PairBook, is_tradable
from shared.venues.kraken.transport import KrakenApi
from shared.venues.patience import with_patience
from shared.venues.port import Candle
from shared.venues.row_log import RowLog
from shared.venues.rows import RowReason
from shared.venues.venue_clock import SECONDS_RESOLUTION_MS, VenueTime

PAIRS_MAX_AGE: Final = 600_000  # ms
_PAIRS_RETRY: Final = 30_000  # ms to the next attempt after the list could not be fetched
_UNKNOWN_RETRY: Final = 30_000  # ms until the list is fetched again for a name that was not in it
_MOST_UNKNOWN: Final = 1_000  # how many such names are remembered
_BATCH: Final = 100  # pairs named in a Ticker call, so that the URL stays short; for more, all pairs are queried
_INTERVALS: Final = frozenset({1, 5, 15, 30, 60, 240, 1440, 10080, 21600})  # docs.kraken.com, Get OHLC

_log = structlog.get_logger(__name__)


class KrakenPublic:
    """The public calls of one URL, and the list of pairs that their answers are parsed with."""

    name: str = VenueName.KRAKEN

    def __init__(self, api: KrakenApi, *, timeout: float, clock: VenueTime, rows: RowLog | None = None) -> None:
        self.rows = rows or RowLog()
        self._api = api
        self._timeout = timeout
        self._clock = clock
        self._book: PairBook | None = None
        self._book_is_old_at = 0
        self._refreshing = asyncio.Lock()
        self._met: set[str] = set()
        self._asked_for: dict[str, int] = {}

    async def instruments(self) -> Mapping[Symbol, Instrument]:
        """Return all spot pairs, at most ten minutes old while the venue answers."""
        return (await self.book()).instruments

    async def prices(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Price]:
        """Return the prices of the last trades."""
        book = await self.names()
        names = [name for name in map(book.pair_name, symbols) if name is not None]
        if not names:
            return {}
        # One call for any number: the public rate limit is low, and without `pair` the venue answers with all pairs.
        ticker = await self._ask("Ticker", {"pair": ",".join(names)} if len(names) <= _BATCH else {})
        with parse.readable("Ticker"):
            found = parse.prices(book, ticker)
        return {symbol: found[symbol] for symbol in symbols if symbol in found}

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the committed candles of a symbol, oldest first; Kraken keeps 720. Raises Rejected for an unknown length."""
        book = await self.names()
        name = book.pair_name(symbol)
        if name is None or minutes not in _INTERVALS:
            raise Rejected(f"Kraken has no candles of {minutes} minutes for {symbol}")
        answer = await self._ask("OHLC", {"pair": name, "interval": str(minutes)})
        with parse.readable("OHLC"):
            if not any(book.symbol(spelling) == symbol for spelling in answer):
                self._api.doubt()
                raise Unavailable(f"the answer does not contain candles of {symbol}")
            return parse.candles(answer)

    async def ask_time(self) -> None:
        """Query the venue's time, in whole seconds; the clock learns from it (docs.kraken.com, Get Server Time)."""
        began = time.monotonic()
        answer = await self._ask("Time", {})
        ended = time.monotonic()
        with parse.readable("Time"):
            at = int(answer["unixtime"])
        self._clock.note(at * 1000, SECONDS_RESOLUTION_MS, began, ended)

    async def close(self) -> None:
        """Close nothing: the HTTP session belongs to its creator."""

    async def names(self) -> PairBook:
        """Return the list of pairs of any age, for their names, which do not change: no order waits for a new list."""
        return self._book or await self.book()

    @property
    def known_names(self) -> AssetNames:
        """Return the names of assets as far as they are known without a call."""
        return AssetNames() if self._book is None else self._book.names

    async def book(self) -> PairBook:
        """Return the list of pairs, fetched when it is old. Raises Unavailable only if there is none at all."""
        if self._book is not None and self._clock() < self._book_is_old_at:
            return self._book
        async with self._refreshing:
            if self._book is not None and self._clock() < self._book_is_old_at:
                return self._book
            try:
                self._book = await self._list_pairs()
            except VenueError as error:
                if self._book is None:
                    raise
                self._book_is_old_at = self._clock() + _PAIRS_RETRY
                _log.warning("list of pairs is old and the venue did not give a new one", words=str(error))
            else:
                self._book_is_old_at = self._clock() + PAIRS_MAX_AGE
            return self._book

    def meet(self, assets: Iterable[str]) -> None:
        """Mark the list of pairs as old if an asset of a balance is in none of them: it may be a new name.

        Once for each name: an asset that is not traded at all would cause a fetch each time.
        """
        if self._book is None:
            return
        known = {part for symbol in self._book.instruments for part in (symbol.base, symbol.quote)}
        if new := {asset for asset in assets if is_tradable(asset)} - known - self._met:
            self._met |= new
            self.distrust()

    async def learn(self, pairs: Collection[str]) -> bool:
        """Fetch the list of pairs again for names that are not in it; False if that was done for them a moment ago.

        A pair that was listed minutes ago must not be unknown until the list is old.
        """
        now = self._clock()
        new = [pair for pair in pairs if now - self._asked_for.get(pair, -_UNKNOWN_RETRY) >= _UNKNOWN_RETRY]
        if not new:
            return False
        if len(self._asked_for) > _MOST_UNKNOWN:
            self._asked_for.clear()
        self._asked_for |= dict.fromkeys(new, now)
        self.distrust()
        await self.book()
        return True

    def distrust(self) -> None:
        """Mark the list of pairs as old: the venue refused an order for its size, its price or its pair."""
        self._book_is_old_at = 0

    async def _list_pairs(self) -> PairBook:
        assets, listed = await asyncio.gather(self._ask("Assets", {}), self._ask("AssetPairs", {}))
        with parse.readable("AssetPairs"):
            book = parse.pair_book(parse.asset_names(assets), listed, as_of=self._clock())
        unusable = {pair: why for pair, (reason, why) in book.left_out.items() if reason is RowReason.UNUSABLE_PAIR}
        self.rows.note("AssetPairs", unusable)
        if not book.instruments:
            raise Unavailable("Kraken lists no pairs")
        return book

    async def _ask(self, method: str, params: Mapping[str, str]) -> Any:
        async def once() -> Any:
            try:
                reply = await self._api.public(method, params)
            except VenueError as error:
                raise as_read(error) from None
            failure = failure_of(reply.texts, order=False, now=self._clock() / 1000)
            if failure is not None:
                raise as_read(failure)
            return reply.result

        return await with_patience(once, self._timeout)
