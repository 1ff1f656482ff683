"""Reads, for every user: parked accounts, stop-outs, switches, and whether an executor serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.notifier.causes.switches import of_switch
from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import pairs, read_control
from shared.config.notifications import Event
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import RiskRecord
from shared.domain.account import MASTER, AccountState, further_name, is_master
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.limits.risk_state import RiskState, utc_minute
from shared.ledger.user_states.user_status import NO_EXECUTOR

UNSERVED: Final = "users"
"""The group of users whom no executor serves."""
_PAGE: Final = 200
"""Users per round trip: Redis serves orders between two of them."""
_UNSERVED_MS: Final = 30_000
"""A user whose executor has died is taken over within 20 s."""


class UserReader:
    """Remembers since when a user is not served."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._unserved: dict[str, int] = {}

    async def read(self, policies: Mapping[str, UserPolicy], now: int) -> tuple[list[Cause], set[str]]:
        """Return the causes, and the instances that hold users' leases. Raises BusUnavailable."""
        users = [each for each in policies.values() if each.enabled or each.file is FileState.GONE]
        self._unserved = {user: at for user, at in self._unserved.items() if user in policies}
        causes = await self._master()
        owners: set[str] = set()
        for first in range(0, len(users), _PAGE):
            page = users[first : first + _PAGE]
            found = await self._page(page, now)
            causes += found[0]
            owners |= found[1]
            await asyncio.sleep(0)
        return causes, owners

    def forget_unserved(self) -> None:
        """Restart the patience with users who are not served: no executor runs at all, and that is one cause."""
        self._unserved.clear()

    async def _page(self, users: Sequence[UserPolicy], now: int) -> tuple[list[Cause], set[str]]:
        places = [(policy, venue) for policy in users for venue in policy.venues]
        commands: list[tuple[str | int, ...]] = [("GET", keys.lease(policy.user)) for policy in users]
        commands += [("HGETALL", keys.control(policy.user)) for policy in users]
        commands += [("HMGET", keys.account(policy.user, venue), "state", "reason") for policy, venue in places]
        stopping = [(policy, venue) for policy, venue in places if policy.limits.stop_out]
        commands += [("HGETALL", keys.risk(policy.user, venue)) for policy, venue in stopping]
        answers = iter(await self._bus.do_all(commands))
        causes: list[Cause] = []
        owners = set()
        for policy in users:
            owner = next(answers)
            if isinstance(owner, str) and owner:
                owners.add(owner)
            causes += self._service(policy, served=bool(owner), now=now)
        for policy in users:
            causes += of_switch(policy.user, read_control(next(answers)))
        for policy, venue in places:
            causes += _parked(policy.user, venue, next(answers))
        for policy, venue in stopping:
            causes += _stopped_out(policy.user, venue, next(answers), now)
        return causes, owners

    def _service(self, policy: UserPolicy, *, served: bool, now: int) -> list[Cause]:
        if served:
            self._unserved.pop(policy.user, None)
            return []
        since = self._unserved.setdefault(policy.user, now)
        if now - since < _UNSERVED_MS:
            return []
        what = f"{NO_EXECUTOR}: nothing is copied, and no exit is sent"
        of = f" of the group {policy.group} (EXECUTOR_GROUPS)" if policy.group else ""
        todo = f"start another executor{of}, or raise EXECUTOR_CAPACITY; ops status"
        return [Cause(Event.SERVICE_DOWN, f"user {policy.user}", policy.user, what, since, todo, UNSERVED)]

    async def _master(self) -> list[Cause]:
        places = await read_master_places(self._bus)
        answers = await self._bus.do_all([("HMGET", keys.account(*place), "state", "reason") for place in places])
        return [cause for place, answer in zip(places, answers, strict=True) for cause in _parked(*place, answer)]


def _parked(user: str, venue: str, answer: Any) -> list[Cause]:
    if not isinstance(answer, list) or answer[0] != AccountState.PARKED:
        return []
    master, further = is_master(user), further_name(user)
    name = (f"the master {further}" if further else "the master") if master else user
    if master:
        what = f"{answer[1] or 'no reason is recorded'}; nothing of that account is copied"
    else:
        what = f"{answer[1] or 'no reason is recorded'}; nothing is traded there, exits neither"
    return [
        Cause(
            event=Event.PARKED,
            key=f"{user}|{venue}",
            who=f"{name} at {venue}",
            what=what,
            todo="ops doctor; ops status" if master else f"ops doctor --user {user}",
            group=MASTER if master else "",
            critical=master,
        )
    ]


def _stopped_out(user: str, venue: str, answer: Any, now: int) -> list[Cause]:
    fields = pairs(answer)
    try:
        state: RiskState | None = RiskRecord.parse(fields).to_domain() if fields else None
    except MalformedMessageError:
        return []  # a fault that the executor reports
    if state is None or not state.stopped(now):
        return []
    what = f"{state.stopped_reason or 'a loss limit'}; no entries until {utc_minute(state.stopped_until)}"
    return [
        Cause(
            Event.STOP_OUT,
            f"{user}|{venue}",
            f"{user} at {venue}",
            what,
            None,
            f"ops stopouts --user {user}",
            settle_ms=0,
        )
    ]
