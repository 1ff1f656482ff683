"""The state of every user, kept up to date by a bounded number of readings at a time.

What changes often is read for all users with one command (who serves them), or applied without reading (a switch for everybody).
Users whose settings, executor, faults or switches have changed are read at once, the others in turn.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.api.reading.rolling_table import RollingTable
from services.api.reading.state_store import StateStore
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.control import Control
from shared.domain.limits.policy import UserPolicy
from shared.ledger.status import SystemStatus
from shared.ledger.user_states.user_status import UserStatus, read_user_statuses

_LEASES: Final = 5_000
"""Leases that one command reads: about a millisecond of the server's time."""
_WATCHED_FOR: Final = 30.0
"""Seconds for which a user is read at each step after an operator's action: executors take some seconds to follow it."""


class UserStatuses:
    """The states of the users with settings."""

    def __init__(self, bus: Bus, store: StateStore) -> None:
        """Who was read is noted in `store`."""
        self._bus = bus
        self._store = store
        self._table = RollingTable(self._read)
        self._policies: Mapping[str, UserPolicy] = {}
        self._everybody = Control()
        self._faults: frozenset[tuple[str, str]] = frozenset()
        self._watched: dict[str, float] = {}

    def watch(self, users: Iterable[str]) -> None:
        """Read these users at each of the next steps, because an operator has acted on them."""
        self._watched.update(dict.fromkeys(users, time.monotonic() + _WATCHED_FOR))

    async def step(self, policies: Mapping[str, UserPolicy], system: SystemStatus) -> tuple[UserStatus, ...]:
        """Read what has changed and some of the others; return all users in the sequence of `policies`. Raises BusUnavailable."""
        before, self._policies = self._policies, policies
        self._table.name(user for user, policy in policies.items() if before.get(user) is not policy)
        self._apply(system.control)
        self._notice_faults(system)
        self._watched = {user: until for user, until in self._watched.items() if until > time.monotonic()}
        self._table.name(self._watched)
        await self._read_owners(list(policies))
        await self._table.step(policies)
        rows = self._table.rows
        return tuple(rows[user] for user in policies if user in rows)

    async def read_again(self, users: Sequence[str]) -> Mapping[str, UserStatus]:
        """Read some users now, for a page that shows them. Raises BusUnavailable."""
        await self._table.read_now([user for user in users if user in self._policies])
        return {user: self._table.rows[user] for user in users if user in self._table.rows}

    async def _read(self, users: Sequence[str]) -> Mapping[str, UserStatus]:
        policies = [self._policies[user] for user in users if user in self._policies]
        now = time.time_ns() // 1_000_000
        found = await read_user_statuses(self._bus, policies, self._everybody, now)
        self._store.note_statuses(found)
        return {each.policy.user: each for each in found}

    def _apply(self, everybody: Control) -> None:
        if everybody == self._everybody:
            return
        self._everybody, now = everybody, time.time_ns() // 1_000_000
        for user, row in list(self._table.rows.items()):
            self._table.change(user, row.under(everybody, now))

    def _notice_faults(self, system: SystemStatus) -> None:
        """Name the users of faults that have come or gone: a fault's subject begins with the name of its user."""
        now = frozenset((each.fault.subject, each.fault.reason) for each in system.faults)
        self._table.name(subject.partition(" ")[0] for subject, _ in now ^ self._faults)
        self._faults = now

    async def _read_owners(self, users: Collection[str]) -> None:
        known = [user for user in users if user in self._table.rows]
        for first in range(0, len(known), _LEASES):
            some = known[first : first + _LEASES]
            (answer,) = await self._bus.do_all([("MGET", *(keys.lease(user) for user in some))])
            for user, owner in zip(some, answer if isinstance(answer, list) else [], strict=False):
                row = self._table.rows.get(user)
                if row is not None and row.owner != (owner or ""):
                    self._table.change(user, replace(row, owner=owner or ""))
                    self._table.name([user])
