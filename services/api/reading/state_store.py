"""Stores the state of every user in Redis as it was last read, for `ops status`, which then need not read thousands of users.

Only rows that have changed are written. Nothing is stored before all users were read once: a reader must never take a part of the
users for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden
from shared.bus.users.stored_states import store_states, stored_users
from shared.ledger.user_states.stored_state import StoredState
from shared.ledger.user_states.user_status import UserStatus

log = structlog.get_logger()


class StateStore:
    """What is stored of each user, and what has to be written."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._statuses: dict[str, UserStatus] = {}
        """Read since the last writing."""
        self._open: dict[str, bool] = {}
        self._moved: set[str] = set()
        """Users whose open issues have come or gone since then."""
        self._stored: dict[str, StoredState] = {}
        self._begun = False
        self._refused = False

    def note_statuses(self, found: Iterable[UserStatus]) -> None:
        """Note users who were just read."""
        self._statuses.update((each.policy.user, each) for each in found)

    def note_issues(self, found: Mapping[str, bool]) -> None:
        """Note of users whether they have open issues."""
        self._moved.update(user for user, open_issues in found.items() if self._open.get(user) is not open_issues)
        self._open.update(found)

    async def write(self, users: Collection[str]) -> None:
        """Write what has changed, if all of these users were read; others are removed. Raises BusUnavailable."""
        if self._refused or any(user not in self._open for user in users):
            return
        changed = self._changes(users)
        if any(user not in self._stored and user not in changed for user in users):
            return
        known = set(self._stored)
        try:
            if not self._begun:
                known |= await stored_users(self._bus)
            texts = {user: state.text() for user, state in changed.items()}
            await store_states(self._bus, texts, known.difference(users), time.time_ns() // 1_000_000)
        except BusForbidden as error:
            self._refused = True
            log.warning("states of users are not stored, so `ops status` reads all users", reason=str(error))
            return
        self._begun = True
        for user in self._stored.keys() - set(users):
            del self._stored[user]
        self._stored.update(changed)
        self._statuses.clear()
        self._moved.clear()

    def _changes(self, users: Collection[str]) -> dict[str, StoredState]:
        """Return the rows that differ from what is stored."""
        wanted, found = set(users), {}
        for user in self._open.keys() - wanted:
            del self._open[user]
        for user, status in self._statuses.items():
            if user in wanted:
                found[user] = StoredState.of(status, open_issues=self._open[user])
        for user in self._moved & wanted:
            if user not in found and (stored := self._stored.get(user)) is not None:
                found[user] = replace(stored, open_issues=self._open[user])
        return {user: state for user, state in found.items() if self._stored.get(user) != state}
