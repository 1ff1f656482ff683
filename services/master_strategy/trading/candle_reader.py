"""Reads the candles of a strategy's symbols, in rotating batches, and holds a symbol whose data is missing, short or stale."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from services.master_strategy.clock import Clock
from services.master_strategy.plugins.needs import Needs
from shared.domain.values.symbol import Symbol
from shared.strategies.candle_window import Freshness, Hold, window
from shared.venues.errors import VenueError
from shared.venues.port import Candle, PublicVenue


class CandleReader:
    """`batch` symbols are read in turn beside those that are held; None: all of them."""

    def __init__(
        self,
        venue: PublicVenue,
        symbols: Sequence[Symbol],
        *,
        interval_minutes: int,
        batch: int | None,
        clock: Clock,
        live: bool,
    ) -> None:
        self._venue = venue
        self._minutes = interval_minutes
        self._clock = clock
        self._batch = batch or len(symbols)
        self._queue = deque(symbols)
        self._left = 0
        self._last_batch = 0
        self._fresh = {symbol: Freshness(interval_minutes, market_time_is_wall_time=live) for symbol in symbols}

    @property
    def in_round(self) -> bool:
        """Whether symbols are left that were not read since the round began."""
        return self._left > 0

    async def read(
        self, needs: Needs, *, listed: Collection[Symbol], held: Collection[Symbol], only_held: bool = False
    ) -> Mapping[Symbol, Sequence[Candle] | Hold]:
        """Read the next batch and what is held, as far as the venue lists it; each is its candles, or why it is left alone.

        With `only_held` the batch stays for the next time.
        """
        batch = [] if only_held else self._next_batch()
        due = {*batch, *(symbol for symbol in held if symbol in self._fresh)}
        symbols = [symbol for symbol in self._fresh if symbol in due and symbol in listed]
        least = {symbol: needs.held if symbol in held else needs.entry for symbol in symbols}
        found = await asyncio.gather(*(self._window(symbol, needs.entry, least[symbol]) for symbol in symbols))
        return dict(zip(symbols, found, strict=True))

    def put_back(self) -> None:
        """Have the last batch read again: it was too early to decide about it."""
        self._queue.rotate(self._last_batch)
        self._left += self._last_batch
        self._last_batch = 0

    def next_due(self) -> int:
        """Return the wall instant (epoch ms) at which the next candle is committed, where market time is wall time."""
        return min(fresh.next_due() for fresh in self._fresh.values())

    def _next_batch(self) -> list[Symbol]:
        if self._left <= 0:
            self._left = len(self._queue)
        size = min(self._batch, self._left)
        self._left -= size
        self._last_batch = size
        found = list(self._queue)[:size]
        self._queue.rotate(-size)
        return found

    async def _window(self, symbol: Symbol, needs: int, at_least: int) -> Sequence[Candle] | Hold:
        try:
            candles = await self._venue.candles(symbol, self._minutes)
        except VenueError as failure:
            return Hold(f"candles missing: {failure}")
        verdict = window(candles, needs, self._minutes, at_least)
        if isinstance(verdict, Hold):
            return verdict
        stale = self._fresh[symbol].stale(verdict[-1], self._clock.now())
        return Hold(stale) if stale else verdict
