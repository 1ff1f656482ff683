"""The operations page: what needs the operator, what was switched, which processes run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from services.api.access.identity import Role, at_least
from services.api.read_models import ReadModels
from services.api.reading.rolling_table import MOST_NEW, RollingTable
from services.api.timed_cache import TimedCache
from services.api.web import words
from services.api.web.rendering import Pages
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms, read_entries
from shared.bus.master.master_places import read_master_owners
from shared.bus.state.records import Records
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.contracts.doctor import DoctorRecord
from shared.domain.key_report import Grade
from shared.ledger.backlog import Backlog
from shared.ledger.open_issues import PositionDifference, UnresolvedOrder, read_differences, read_unresolved

_EVERY: Final = 2.0
_MASTERS_EVERY: Final = 60.0
"""The master's open orders are found by a scan of the keyspace where no master has listed them yet."""
_ROWS: Final = 50
_DEAD: Final = 20
T = TypeVar("T", UnresolvedOrder, PositionDifference, "KeyRow")


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """One entry that no service could read."""

    stream: str
    entry_id: str
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The last check of a key."""

    user: str
    venue: str
    check: DoctorRecord


@dataclass(frozen=True, slots=True)
class UserIssues:
    """What needs the operator of one user, and the checks of the user's keys."""

    unresolved: Sequence[UnresolvedOrder]
    differences: Sequence[PositionDifference]
    checked: Sequence[KeyRow]


@dataclass(frozen=True, slots=True)
class Issues:
    """What needs the operator; of each kind all that there is."""

    unresolved: Sequence[UnresolvedOrder]
    differences: Sequence[PositionDifference]
    dead: Sequence[DeadLetterRow]
    dead_total: int
    keys: Sequence[KeyRow]
    checked: int
    """Accounts whose key was ever checked."""


class OperationsReader:
    """Reads what the page shows, at most once per interval however many ask."""

    def __init__(self, bus: Bus, models: ReadModels) -> None:
        self._bus = bus
        self._models = models
        self._issues = TimedCache(self._read, _EVERY)
        self._table = RollingTable(self._read_users, most_new=MOST_NEW)
        self._users_step = TimedCache(self._step, _EVERY)
        self._places: Mapping[str, Sequence[tuple[str, str]]] = {}
        self._masters = TimedCache(self._read_masters, _MASTERS_EVERY)

    async def issues(self) -> Issues:
        """Read what needs the operator. Raises BusUnavailable."""
        return await self._issues.get()

    async def changes(self) -> Sequence[Entry]:
        """Read the newest changes of switches, newest first. Raises BusUnavailable."""
        return read_entries(
            keys.CONTROL_LOG, await self._bus.do("XREVRANGE", keys.CONTROL_LOG, "+", "-", "COUNT", _ROWS)
        )

    async def step(self) -> None:
        """Read what concerns some of the users. Raises BusUnavailable."""
        if self._table.unread:
            self._users_step.forget()
        await self._users_step.get()

    async def _read(self) -> Issues:
        await self.step()
        while self._table.unread:  # an order without a proven end must not be missing because the api has just started
            await self.step()
        status, users = await self._models.status(), await self._models.users()
        backlog = await self._models.whole_backlog()
        rows = [self._table.rows[user] for user in users if user in self._table.rows]
        checked = [*await self._checks([(account.user, venue) for venue, account in status.master])]
        checked += [each for row in rows for each in row.checked]
        return Issues(
            unresolved=[*await self._masters.get(), *(order for row in rows for order in row.unresolved)],
            differences=[each for row in rows for each in row.differences],
            dead=await self._dead(backlog),
            dead_total=sum(each.dead for each in backlog),
            keys=[each for each in checked if each.check.doctor is not Grade.OK],
            checked=len(checked),
        )

    async def _read_masters(self) -> list[UnresolvedOrder]:
        return await read_unresolved(self._bus, await read_master_owners(self._bus))

    async def _step(self) -> None:
        status, users = await self._models.status(), await self._models.users()
        self._places = {
            each.policy.user: [(each.policy.user, venue) for venue in each.policy.venues] for each in status.users
        }
        # A decision that is pending may be an order without a proven end.
        backlog = await self._models.backlog()
        self._table.name(user_of(each.stream) for each in backlog if each.pending and each.stream != keys.SIGNALS)
        self._table.name(user for user, known in self._table.rows.items() if known.unresolved or known.differences)
        await self._table.step(users)

    async def _read_users(self, users: Sequence[str]) -> Mapping[str, UserIssues]:
        places = [place for user in users for place in self._places.get(user, ())]
        unresolved = _by_user(users, await read_unresolved(self._bus, users))
        differences = _by_user(users, await read_differences(self._bus, places))
        checked = _by_user(users, await self._checks(places))
        self._models.states.note_issues({user: bool(unresolved[user] or differences[user]) for user in users})
        return {user: UserIssues(unresolved[user], differences[user], checked[user]) for user in users}

    async def _checks(self, places: Sequence[tuple[str, str]]) -> list[KeyRow]:
        checks = await Records(self._bus).key_checks(places)
        return [
            KeyRow(user, venue, check)
            for (user, venue), check in zip(places, checks, strict=True)
            if check.doctor is not None
        ]

    async def _dead(self, backlog: Sequence[Backlog]) -> list[DeadLetterRow]:
        """Read the newest dead letters of the first streams that have any."""
        streams = [each.stream for each in backlog if each.dead][:_ROWS]
        answers = await self._bus.do_all([("XREVRANGE", keys.dead(each), "+", "-", "COUNT", _DEAD) for each in streams])
        found = [
            DeadLetterRow(stream, entry.fields.get("entry_id", ""), entry_ms(entry.id), entry.fields.get("reason", ""))
            for stream, rows in zip(streams, answers, strict=True)
            for entry in read_entries(keys.dead(stream), rows if isinstance(rows, list) else [])
        ]
        return sorted(found, key=lambda each: each.at, reverse=True)[:_ROWS]


def _by_user(users: Sequence[str], found: Iterable[T]) -> Mapping[str, Sequence[T]]:
    by_user: dict[str, list[T]] = {user: [] for user in users}
    for each in found:
        by_user[each.user].append(each)
    return by_user


def build_operations_routes(models: ReadModels, pages: Pages, reader: OperationsReader) -> APIRouter:
    """Build the route."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(at_least(Role.VIEWER))])

    @router.get("/operations")
    async def operations(request: Request) -> Response:
        status = await models.status()
        return await pages.page(
            request,
            "operations.html",
            now=time.time_ns() // 1_000_000,
            issues=await reader.issues(),
            rows=_ROWS,
            changes=[(words.moment(entry_ms(each.id)), each.fields) for each in await reader.changes()],
            services=status.services,
            faults=status.faults[:_ROWS],
            switches=status.symbols,
        )

    return router
