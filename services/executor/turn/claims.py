"""Which users this process serves: claimed by lease, up to its capacity.

Beyond its capacity it takes in a user only in need: one who was served before, is served by nobody now, and whom nobody with room
has claimed for a while. An open position without an executor would be a missed exit. Such a guest is handed on as soon as another
executor says that it has room.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusRefused
from shared.bus.lease import Lease, acquire
from shared.bus.records import Records
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults

_LOOK_EVERY: Final = 2.5
"""Seconds between looks for users in need, and for room elsewhere."""
_NEED_AFTER: Final = 5.0
"""Seconds without an owner after which a user is in need: a restarted executor claims within one."""
_GRACE: Final = 20.0
"""Seconds after the start in which nobody is taken in: others may be starting as well."""
_REST: Final = 15.0
"""Seconds before a user is claimed again whose turn ended by an unexpected failure."""
_REST_OF_REFUSED: Final = 3.0
"""The same where Redis refused a key of this user: it may be put right at any moment."""
_SAMPLE: Final = 20
"""Users looked at per round, so that a thousand processes do not ask for a thousand leases each."""
_SHOWN: Final = 5

log = structlog.get_logger()

Serve = Callable[[str, Lease], Coroutine[Any, Any, None]]


class Claims:
    """The sessions of this process."""

    def __init__(
        self, bus: Bus, users: Iterable[str], capacity: int, owner: str, serve: Serve, faults: Faults | None = None
    ) -> None:
        self._bus = bus
        self._faults = faults or Faults()
        self._records = Records(bus)
        self.users = list(users)
        self.last: frozenset[str] = frozenset()
        """Users who are claimed only when no other is free: they take no entries."""
        self.capacity = capacity
        self._owner = owner
        self._serve = serve
        self._sessions: dict[str, asyncio.Task[None]] = {}
        self._unserved: dict[str, float] = {}
        self._resting: dict[str, float] = {}
        self._started = time.monotonic()
        self._looked = self._started

    @property
    def serving(self) -> int:
        """Return how many users this process serves."""
        return len(self._sessions)

    @property
    def state(self) -> str:
        """Say whom this process serves and how much room it has."""
        names = sorted(self._sessions)
        shown = ", ".join(names[:_SHOWN]) or "nobody"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"serving {shown}{more} ({len(names)} of {self.capacity})"

    async def update(self) -> None:
        """Claim whoever is free while there is room; look after those in need. Survives outages of Redis."""
        for user, session in list(self._sessions.items()):
            if session.done():
                del self._sessions[user]
        try:
            await self._fill()
            if time.monotonic() - self._looked > _LOOK_EVERY:
                self._looked = time.monotonic()
                await self._look_around()
        except BusError as error:
            if self._faults.report(FaultKind.REDIS, "claims", str(error)):
                log.warning("waiting for Redis", reason=str(error))
        else:
            self._faults.clear(FaultKind.REDIS, "claims")

    def rest(self, user: str) -> None:
        """Leave a user alone for a while: his turn ended by a surprise, which would only come again."""
        self._resting[user] = time.monotonic() + _REST

    def refused(self, user: str, reason: str) -> None:
        """Note that Redis refuses a key of a user, and try again after a pause; the others are served meanwhile."""
        self._resting[user] = time.monotonic() + _REST_OF_REFUSED
        if self._faults.report(FaultKind.REDIS, user, reason):
            log.error("Redis refuses a key of this user; tried again every few seconds", user=user, reason=reason)

    def cancel(self, user: str) -> None:
        """End a user's turn; he is handed back, and claimed again if he still stands in `users`."""
        if (session := self._sessions.get(user)) is not None:
            session.cancel()

    async def end(self) -> None:
        """End every session; each hands its user back."""
        for session in self._sessions.values():
            session.cancel()
        await asyncio.gather(*self._sessions.values(), return_exceptions=True)

    def _others(self) -> list[str]:
        now = time.monotonic()
        found = [user for user in self.users if user not in self._sessions and self._resting.get(user, 0.0) <= now]
        random.shuffle(found)  # so that executors that start together do not all try in the same order
        found.sort(key=self.last.__contains__)
        return found

    async def _fill(self) -> None:
        for user in self._others() if len(self._sessions) < self.capacity else ():
            if len(self._sessions) >= self.capacity:
                return
            await self._claim(user)

    async def _claim(self, user: str) -> bool:
        try:
            lease = await acquire(self._bus, user, self._owner)
        except BusRefused as error:  # this user's lease is something else: no reason to leave the others unclaimed
            self.refused(user, str(error))
            return False
        if lease is None:
            self._faults.clear(FaultKind.REDIS, user)  # somebody else serves this user, and reports
            return False
        self._unserved.pop(user, None)
        self._sessions[user] = asyncio.create_task(self._serve(user, lease))
        return True

    async def _look_around(self) -> None:
        if len(self._sessions) > self.capacity and await self._room_elsewhere():
            await self._hand_on()
        elif len(self._sessions) >= self.capacity and time.monotonic() - self._started > _GRACE:
            await self._take_in()

    async def _take_in(self) -> None:
        now = time.monotonic()
        looked_at = list(self._unserved) or self._others()[:_SAMPLE]
        for user, alone in zip(looked_at, await self._alone(looked_at), strict=True):
            if not alone:
                self._unserved.pop(user, None)
            elif now - self._unserved.setdefault(user, now) > _NEED_AFTER and await self._claim(user):
                log.warning("took in a user whom nobody served", user=user, state=self.state)

    async def _alone(self, users: list[str]) -> list[bool]:
        """Say for each user whether he was served before and has no owner now."""
        commands: list[tuple[str | int | bytes, ...]] = []
        for user in users:
            commands += [("EXISTS", keys.fence(user)), ("EXISTS", keys.lease(user))]
        answers = await self._bus.do_all(commands)
        return [answers[2 * index] == 1 and answers[2 * index + 1] == 0 for index in range(len(users))]

    async def _room_elsewhere(self) -> bool:
        for name, sign in (await self._records.heartbeats()).items():
            if not name.startswith("executor:") or name.endswith(self._owner):
                continue
            if sign.serving is not None and sign.capacity is not None and sign.serving < sign.capacity:
                return True
        return False

    async def _hand_on(self) -> None:
        user, session = next(reversed(self._sessions.items()))
        log.info("handing a user on: another executor has room", user=user)
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)
        del self._sessions[user]
