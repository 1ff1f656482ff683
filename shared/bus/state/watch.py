"""Reads what a user's own exits are decided from, beside what is held: switches, and prices of the holdings.

It also keeps the list of symbols whose prices are needed all the time, for the price feed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.master.master_places import further_places
from shared.bus.state.records import pairs, read_switch, switch_of
from shared.contracts import keys
from shared.contracts.market_records import read_price
from shared.domain.account import MASTER
from shared.domain.control import RUNNING, Control
from shared.domain.values.money import Price
from shared.domain.values.numerals import whole
from shared.domain.values.symbol import Symbol

_KEPT: Final = 1_000
"""How many of the last reads are kept at most."""
_REQUEST_MS: Final = 5_000
"""Requests of the same price within this time are one; the feed serves each for a minute."""


@dataclass(frozen=True, slots=True)
class WatchedMarket:
    """Published prices with their instants (epoch ms), everybody's switch and those of symbols: the same for all users."""

    prices: Mapping[Symbol, tuple[Price, int]]
    switches: Mapping[Symbol, Control]
    everybody: Control = RUNNING


class Watch:
    """Reads for guardians, and keeps the list of watched symbols. Raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._asked: dict[tuple[str, frozenset[Symbol]], tuple[float, asyncio.Task[WatchedMarket]]] = {}
        """The last read of each, under way or over, with the steady instant at which it began. Nothing is sent by it."""
        self._requested: dict[tuple[str, Symbol], int] = {}
        """When (epoch ms) the prices of a symbol were last requested here, for whomever."""

    async def own_switch(self, user: str) -> Control:
        """Read a user's own switch."""
        (own,) = await self._bus.do_all([switch_of(keys.control(user))])
        return read_switch(own)

    async def market(self, venue: str, symbols: Collection[Symbol], *, since: float) -> WatchedMarket:
        """Return the prices and switches of some symbols, and everybody's switch, as of the steady instant `since` or later.

        A read that began since then serves for all who ask the same.
        """
        question = (venue, frozenset(symbols))
        began_at, task = self._asked.get(question, (-math.inf, None))
        if task is None or began_at < since or _failed(task):
            if len(self._asked) >= _KEPT:
                self._asked.clear()
            task = asyncio.create_task(self._market(*question))
            self._asked[question] = time.monotonic(), task
        return await asyncio.shield(task)  # a caller that is cancelled must not cancel it for the others

    async def _market(self, venue: str, symbols: Collection[Symbol]) -> WatchedMarket:
        wanted = list(symbols)
        everybody, prices, *switches = await self._bus.do_all(
            [
                switch_of(keys.CONTROL),
                ("HMGET", keys.prices(venue), *map(str, wanted)),
                *(switch_of(keys.control_of_symbol(symbol)) for symbol in wanted),
            ]
        )
        found: dict[Symbol, tuple[Price, int]] = {}
        for symbol, written in zip(wanted, prices if isinstance(prices, list) else [], strict=False):
            with suppress(ValueError):
                if written is not None:
                    found[symbol] = read_price(symbol, written)
        by_symbol = dict(zip(wanted, map(read_switch, switches), strict=True))
        return WatchedMarket(found, by_symbol, read_switch(everybody))

    async def ask_for(self, venue: str, symbols: Collection[Symbol], now: int) -> None:
        """Record that the prices of these symbols are needed; repeat it while they are. Once a moment is enough for all users."""
        due = [symbol for symbol in symbols if abs(now - self._requested.get((venue, symbol), 0)) >= _REQUEST_MS]
        if due:
            await self._bus.do("HSET", keys.watched(venue), *[part for each in due for part in (str(each), str(now))])
            self._requested |= {(venue, symbol): now for symbol in due}

    async def asked_for(self, venue: str, since: int) -> frozenset[Symbol]:
        """Return the symbols that were requested at or after `since` (epoch ms) or that the master holds; remove the others."""
        watched, held, further = await self._bus.do_all(
            [
                ("HGETALL", keys.watched(venue)),
                ("HKEYS", keys.positions(MASTER, venue)),
                ("HKEYS", keys.FURTHER_MASTERS),
            ]
        )
        names = set(map(str, held if isinstance(held, list) else ()))
        if others := [place for place in further_places(further) if place.venue == venue]:
            for more in await self._bus.do_all([("HKEYS", keys.positions(*place)) for place in others]):
                names.update(map(str, more if isinstance(more, list) else ()))
        old: list[str] = []
        for name, at in pairs(watched).items():
            (names.add if (whole(at) or 0) >= since else old.append)(name)
        if old:
            await self._bus.do("HDEL", keys.watched(venue), *old)
        found = set()
        for name in names:
            with suppress(ValueError):
                found.add(Symbol.parse(name))
        return frozenset(found)


def _failed(task: asyncio.Task[WatchedMarket]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
