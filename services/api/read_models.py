"""The read models of the routes, each read at most once per interval, and the list of users.

The users' files are read again regularly, so that a new user needs no restart of the API; a file that is invalid or gone is
shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from services.api.timed_cache import TimedCache
from shared.bus.connection import Bus
from shared.bus.streams import Entry
from shared.config.errors import ConfigurationError
from shared.domain.limits.policy import UserPolicy
from shared.ledger.backlog import Backlog, read_backlog
from shared.ledger.reading import known_users
from shared.ledger.status import SystemStatus, read_status, read_symbol_switches
from shared.ledger.users import read_users
from shared.ledger.why import SignalTrace, find_signal, recent_signals, trace_signal

ON_PAGE: Final = 12
"""Signals on the index page."""
_STATE: Final = 1.0
_PAGE: Final = 2.0
_USERS: Final = 15.0

log = structlog.get_logger()


class ReadModels:
    """The ledger's read models, shared by all requests. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus, config: Path, policies: Mapping[str, UserPolicy]) -> None:
        self._bus = bus
        self._config = config
        self._policies = policies
        self._users = TimedCache(self._read_users, _USERS)
        self._symbols = TimedCache(lambda: read_symbol_switches(bus), _USERS)
        self._status = TimedCache(self._read_status, _STATE)
        self._backlog = TimedCache(self._read_backlog, _STATE)
        self._stories = TimedCache(self._read_traces, _PAGE)

    async def users(self) -> list[str]:
        """Return every user that is configured or ever followed."""
        return await self._users.get()

    async def status(self) -> SystemStatus:
        """Read services, accounts and switches."""
        return await self._status.get()

    async def backlog(self) -> list[Backlog]:
        """Read how far the streams have been processed."""
        return await self._backlog.get()

    async def traces(self) -> list[SignalTrace]:
        """Trace the newest signals, newest first."""
        return await self._stories.get()

    async def signals(self, count: int) -> list[Entry]:
        """Read the newest signals, newest first."""
        return await recent_signals(self._bus, count)

    async def trace(self, wanted: str) -> SignalTrace | None:
        """Trace one signal; None if there is no such signal."""
        entry = await find_signal(self._bus, wanted)
        return None if entry is None else await trace_signal(self._bus, entry, await self.users())

    async def _read_users(self) -> list[str]:
        try:
            self._policies = await read_users(self._bus, self._config)
        except ConfigurationError as error:
            log.warning("users' settings cannot be read; the previous ones are shown", reason=str(error))
        return sorted({*self._policies, *await known_users(self._bus)})

    async def _read_status(self) -> SystemStatus:
        await self.users()
        symbols = await self._symbols.get()
        return replace(await read_status(self._bus, self._policies), symbols=symbols)

    async def _read_backlog(self) -> list[Backlog]:
        return await read_backlog(self._bus, await self.users())

    async def _read_traces(self) -> list[SignalTrace]:
        users = await self.users()
        return [await trace_signal(self._bus, entry, users) for entry in await recent_signals(self._bus, ON_PAGE)]
