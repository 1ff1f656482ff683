"""Wakes guardians when a published price moves, so that a stop acts on a streamed price within a fraction of a second.

One read per venue and process, four times a second, of the pairs that someone guards by price: what it costs does not grow with
the users. It decides nothing: a guardian that is woken looks as it does every second, and without an alarm it looks every second
all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.state.records import Records
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

_EVERY: Final = 0.25
"""Seconds between reads: as often as streamed prices are published (`price_feed.py`)."""
_AFTER_OUTAGE: Final = 1.0


class Guard(Protocol):
    """What is woken."""

    def price_moved(self, price: Price, at: int) -> None:
        """Hear that the price of a guarded pair is another one; `at` is the instant as of which (epoch ms). Must not raise."""
        ...


class PriceAlarm:
    """The guards of one process."""

    def __init__(self, bus: Bus) -> None:
        self._records = Records(bus)
        self._guards: dict[str, dict[Symbol, dict[Guard, None]]] = {}
        self._symbols: dict[Guard, tuple[str, frozenset[Symbol]]] = {}
        self._last: dict[tuple[str, Symbol], tuple[Price, int]] = {}
        self._some = asyncio.Event()

    def set(self, guard: Guard, venue: str, looked_at: Mapping[Symbol, Price]) -> None:
        """Wake a guard from now on when these pairs move, and no others; at once if one has moved since it was looked at."""
        symbols = frozenset(looked_at)
        if self._symbols.get(guard) != (venue, symbols):
            self.forget(guard)
            self._add(guard, venue, symbols)
        for symbol, price in looked_at.items():
            last = self._last.get((venue, symbol))
            if last is not None and last[0] != price:
                guard.price_moved(*last)

    def forget(self, guard: Guard) -> None:
        """Wake a guard no more."""
        venue, symbols = self._symbols.pop(guard, ("", frozenset[Symbol]()))
        for symbol in symbols:
            of_venue = self._guards[venue]
            of_venue[symbol].pop(guard)
            if not of_venue[symbol]:
                del of_venue[symbol]
                self._last.pop((venue, symbol), None)
        if not self._symbols:
            self._some.clear()

    async def run(self) -> None:
        """Read and wake until cancelled. While Redis does not answer nothing is woken; the turns report that."""
        while True:
            await self._some.wait()
            pause = _EVERY
            try:
                for venue in list(self._guards):
                    await self._read(venue)
            except BusError:
                pause = _AFTER_OUTAGE
            await asyncio.sleep(pause)

    def _add(self, guard: Guard, venue: str, symbols: frozenset[Symbol]) -> None:
        if not symbols:
            return
        of_venue = self._guards.setdefault(venue, {})
        for symbol in symbols:
            of_venue.setdefault(symbol, {})[guard] = None
        self._symbols[guard] = (venue, symbols)
        self._some.set()

    async def _read(self, venue: str) -> None:
        for symbol, (price, at) in (await self._records.prices_of(venue, list(self._guards[venue]))).items():
            guards = self._guards[venue].get(symbol)
            if guards is None:
                continue  # no longer guarded
            known = self._last.get((venue, symbol))
            self._last[venue, symbol] = (price, at)
            if known is None or known[0] != price:
                for guard in list(guards):
                    guard.price_moved(price, at)
