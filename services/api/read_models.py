"""The read models of the routes, each read at most once per interval, and the list of users.

The users' files are read again regularly, so that a new user needs no restart of the API; a file that is invalid or gone is
shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Final

import structlog

from services.api.reading.rolling_table import MOST, MOST_NEW, RollingTable
from services.api.reading.state_store import StateStore
from services.api.reading.user_statuses import UserStatuses
from services.api.timed_cache import TimedCache
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.state.memory import read_memory
from shared.bus.state.switched_symbols import find_switched_symbols
from shared.bus.users.user_index import user_of
from shared.config.errors import ConfigurationError
from shared.config.users.source import UserSource
from shared.config.users.user_files import UserFiles
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.ledger.backlog import Backlog, read_streams
from shared.ledger.reading import known_users
from shared.ledger.status import SystemStatus, read_switches_of, read_system
from shared.ledger.user_states.user_status import UserStatus
from shared.ledger.users import read_users
from shared.ledger.why import SignalTrace, find_signal, recent_signals, trace_signal
from shared.operations.control_log import read_changes
from shared.operations.request import Action

_STATE: Final = 1.0
_USERS: Final = 15.0
_CHANGES: Final = 20
"""Entries of the control log that are looked at for what is new."""
_SYMBOL: Final = "/"
_OF_SETTINGS: Final = frozenset({Action.SETTINGS, Action.RELOAD})

log = structlog.get_logger()


class ReadModels:
    """The ledger's read models, shared by all requests. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus, config: Path, source: UserSource | None = None) -> None:
        """`source` is where the settings of users are; by default the files of the folder.

        Raises ConfigurationError if there is no folder of users; those in Redis are read at the first request.
        """
        self._bus = bus
        self._config = config
        self._files = UserFiles(config, source)
        self._policies: Mapping[str, UserPolicy] = self._files.load()
        self._users = TimedCache(self._read_users, _USERS)
        self._memory = TimedCache(lambda: read_memory(bus), _USERS)
        self._symbols: frozenset[str] | None = None
        """Symbols that ever had a kill switch: looked for once at the start, then by the log of changes."""
        self.states = StateStore(bus)
        self._statuses = UserStatuses(bus, self.states)
        self._streams = RollingTable(self._read_streams, most_new=MOST_NEW)
        self._status = TimedCache(self._read_status, _STATE)
        self._backlog = TimedCache(self._read_backlog, _STATE)
        self._last_change = ""

    async def users(self) -> list[str]:
        """Return every user that is configured or ever followed."""
        return await self._users.get()

    async def policies(self) -> Mapping[str, UserPolicy | None]:
        """Return every user that is configured or ever followed, with the settings of those that have any."""
        return {user: self._policies.get(user) for user in await self.users()}

    def forget(self) -> None:
        """Read state again at the next request, because an action has changed it."""
        self._status.forget()

    async def status(self) -> SystemStatus:
        """Read services, accounts and switches."""
        return await self._status.get()

    async def of_users(self, users: Sequence[str]) -> Mapping[str, UserStatus]:
        """Read the state of some users now; those without settings are left out."""
        await self.status()
        return await self._statuses.read_again(users)

    async def store_states(self) -> None:
        """Store the states of all users for commands."""
        await self.states.write(self._policies.keys())

    @property
    def many(self) -> bool:
        """Return whether there are more users than one reading covers."""
        return len(self._policies) > MOST

    async def backlog(self) -> list[Backlog]:
        """Read how far the streams have been processed; after the start at first of some users, see `backlog_unread`."""
        return await self._backlog.get()

    async def whole_backlog(self) -> list[Backlog]:
        """Read how far the streams of all users have been processed."""
        while True:
            found = await self.backlog()
            if not self.backlog_unread:
                return found
            self._backlog.forget()

    @property
    def backlog_unread(self) -> int:
        """Return of how many users no stream has been read yet, because the api has just started."""
        return self._streams.unread

    def hurry_backlog(self) -> None:
        """Read more at the next request if not all streams have been read."""
        if self.backlog_unread:
            self._backlog.forget()

    async def signals(self, count: int) -> list[Entry]:
        """Read the newest signals, newest first."""
        return await recent_signals(self._bus, count)

    async def trace(self, wanted: str) -> SignalTrace | None:
        """Trace one signal; None if there is no such signal."""
        entry = await find_signal(self._bus, wanted)
        return None if entry is None else await trace_signal(self._bus, entry, await self.users())

    async def _read_users(self) -> list[str]:
        try:
            self._policies = await read_users(self._bus, self._config, self._files)
        except ConfigurationError as error:
            log.warning("users' settings cannot be read; the previous ones are shown", reason=str(error))
        return sorted({*self._policies, *await known_users(self._bus)})

    async def _read_status(self) -> SystemStatus:
        await self._notice_changes()
        await self.users()
        if self._symbols is None:
            self._symbols = await find_switched_symbols(self._bus)
        symbols = await read_switches_of(self._bus, self._symbols)
        memory = await self._memory.get()
        system = await read_system(self._bus)
        users = await self._statuses.step(self._policies, system)
        return replace(system, symbols=symbols, memory=memory, users=users)

    async def _notice_changes(self) -> None:
        """Forget what is kept for longer than the status if somebody has changed it, from here or by `ops`."""
        newest = await read_changes(self._bus, _CHANGES)
        new = list(takewhile(lambda change: change.id != self._last_change, newest))
        if not new:
            return
        if self._symbols is not None:
            named = {change.of for change in new if _SYMBOL in change.of and " " not in change.of}
            # With more changes at once than were read, some may be of symbols that are not known.
            self._symbols = self._symbols | named if len(new) < _CHANGES or not self._last_change else None
        self._last_change = new[0].id
        self._statuses.watch(change.of for change in new)
        if any(change.action in _OF_SETTINGS for change in new):
            self._users.forget()

    async def _read_backlog(self) -> list[Backlog]:
        """Read the signal stream and some of the users' streams: first those that were behind."""
        self._streams.name(user for user, rows in self._streams.rows.items() if any(row.waiting for row in rows))
        users = await self.users()
        await self._streams.step(users)
        found, rows = await read_streams(self._bus, [keys.SIGNALS]), self._streams.rows
        return found + [row for user in users for row in rows.get(user, ())]

    async def _read_streams(self, users: Sequence[str]) -> Mapping[str, Sequence[Backlog]]:
        found: dict[str, list[Backlog]] = {user: [] for user in users}
        for row in await read_streams(self._bus, [keys.orders(user) for user in users]):
            found[user_of(row.stream)].append(row)
        return found
