"""Counts, for each of the newest signals, the users for whom it was decided and what became of it.

Every decision and every report is read once and only forward, so the work grows with what happens and not with the length of a
stream. It must never show a count that is too high: positions in the streams only move forward, and a restart begins again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.api.timed_cache import TimedCache
from shared.bus.connection import Bus
from shared.bus.flow.stream_feed import StreamFeed
from shared.bus.flow.streams import Entry, entry_ms, entry_order, read_entries
from shared.contracts import keys
from shared.domain.order import OrderState

MOST: Final = 200
"""Signals that are counted at most."""
_COUNTED: Final = 100_000
"""Signals times users: with many users fewer signals are counted."""
_FEWEST: Final = 20
_EVERY: Final = 0.5
_PAGE: Final = 200
_LIVELY_MS: Final = 120_000
"""How long after the last signal the streams of all users are looked at each time."""
_IN_TURN: Final = 500
"""Users who are looked at each time after that."""
_UNREAD: Final = 500
"""Users whose streams are read for the first time each time: after the start no request waits for all."""
_CLOCK_MS: Final = 60_000
"""The largest difference between the clock of the signals' entry ids and that of the reports'."""
COPIED: Final = frozenset({OrderState.FILLED, OrderState.PARTIAL})


@dataclass(slots=True)
class Tally:
    """A signal with its counts. `version` rises with each change."""

    entry: Entry
    decided: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """Why it was not copied, as stable words."""
    counting: bool = False
    """Whether the streams of some users have not been read yet."""
    version: int = 0

    @property
    def copied(self) -> int:
        """Return how many users have bought or sold because of it."""
        return sum(self.outcomes[state] for state in COPIED)

    @property
    def waiting(self) -> int:
        """Return how many decisions have no outcome yet."""
        return max(self.decided - self.outcomes.total(), 0)

    @property
    def users(self) -> int:
        """Return the users that it was decided for; a report can be seen before its decision."""
        return max(self.decided, self.outcomes.total())

    @property
    def missed(self) -> int:
        """Return how many users have ended without copying it."""
        return self.outcomes.total() - self.copied


class Tape:
    """The newest signals with their counts, oldest first. It reads at most twice a second, and only while somebody asks."""

    def __init__(self, bus: Bus, users: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._bus = bus
        self._users = users
        self._tallies: dict[str, Tally] = {}
        self._by_signal: dict[str, Tally] = {}
        self._orders = StreamFeed(bus, keys.orders, _PAGE)
        self._reports = StreamFeed(bus, keys.reports, _PAGE)
        self._cache = TimedCache(self.refresh, _EVERY)
        self.unread = 0
        """Of how many users not everything is counted yet, because the api has just started."""

    async def current(self) -> Sequence[Tally]:
        """Return the newest signals, oldest first. Until all users are counted, each call counts more. Raises BusUnavailable."""
        if self.unread:
            self._cache.forget()
        return await self._cache.get()

    async def refresh(self) -> Sequence[Tally]:
        """Read what is new now. Raises BusUnavailable."""
        users = await self._users()
        keep = max(_FEWEST, min(MOST, _COUNTED // max(len(users), 1)))
        await self._read_signals(keep)
        if self._tallies:
            await self._count(users)
        return list(self._tallies.values())

    async def _read_signals(self, keep: int) -> None:
        newest = next(reversed(self._tallies), "")
        if newest:
            rows = await self._bus.do("XRANGE", keys.SIGNALS, f"({newest}", "+", "COUNT", keep)
            found = read_entries(keys.SIGNALS, rows)
        if not newest or len(found) == keep:  # so many at once: begin again from the end
            self._forget()
            rows = await self._bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", keep)
            found = read_entries(keys.SIGNALS, rows)[::-1]
        for entry in found:
            tally = Tally(entry)
            self._tallies[entry.id] = tally
            self._by_signal[entry.fields.get("id", "")] = tally
        for entry_id in list(self._tallies)[:-keep]:
            gone = self._tallies.pop(entry_id)
            self._by_signal.pop(gone.entry.fields.get("id", ""), None)

    def _forget(self) -> None:
        self._tallies.clear()
        self._by_signal.clear()
        self._orders.forget()
        self._reports.forget()

    async def _count(self, users: Sequence[str]) -> None:
        oldest, newest = next(iter(self._tallies)), next(reversed(self._tallies))
        # A signal is decided and settled within seconds; what comes later is found in turn.
        most = 0 if time.time_ns() // 1_000_000 - entry_ms(newest) < _LIVELY_MS else _IN_TURN
        await self._count_decisions(users, oldest, most)
        await self._count_reports(users, oldest, most)
        self.unread = max(self._orders.unfinished(users), self._reports.unfinished(users))
        for tally in self._tallies.values():
            if tally.counting is not bool(self.unread):
                tally.counting = bool(self.unread)
                tally.version += 1

    async def _count_decisions(self, users: Sequence[str], oldest: str, most: int) -> None:
        async for entry in _all_new(self._orders, users, oldest, most):
            tally = self._by_signal.get(entry.fields.get("signal_id", ""))
            if tally is not None:
                tally.decided += 1
                tally.version += 1

    async def _count_reports(self, users: Sequence[str], oldest: str, most: int) -> None:
        start = f"{max(entry_ms(oldest) - _CLOCK_MS, 0)}-0"
        async for entry in _all_new(self._reports, users, start, most):
            tally = self._by_signal.get(entry.fields.get("signal_id", ""))
            if tally is not None:
                outcome = entry.fields.get("outcome", "")
                tally.outcomes[outcome] += 1
                if outcome not in COPIED:
                    tally.codes[entry.fields.get("code") or outcome] += 1
                tally.version += 1


async def _all_new(feed: StreamFeed, users: Sequence[str], start: str, most: int) -> AsyncIterator[Entry]:
    """Iterate over what is new in the streams of these users, from the entry id `start` on, until there is nothing more.

    Of users of whom nothing was read yet, only some are looked at.
    """
    while users:
        found = await feed.step(users, start, most, _UNREAD)
        for entries in found.values():
            for entry in entries:
                yield entry
        users = [user for user, entries in found.items() if len(entries) == _PAGE]


def newer(first: str, second: str) -> bool:
    """Return whether one entry id is later in its stream than another."""
    return entry_order(first) > entry_order(second)
