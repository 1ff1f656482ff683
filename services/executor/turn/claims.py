"""Which users this process serves: claimed by lease, up to its capacity.

Beyond its capacity it takes in only users in need: without an owner now, and not claimed by an executor with room for a while.
All who were served before, since an open position without an executor would be a missed exit; and a few new ones, so that adding
a user takes no restart. Such a user is handed on as soon as another executor has room.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from enum import Enum
from typing import Any, Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusForbidden, BusRefused
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults

_LOOK_EVERY: Final = 2.5
"""Seconds between checks for users in need and for room elsewhere."""
_NEED_AFTER: Final = 5.0
"""Seconds without an owner after which a user is in need: a restarted executor claims within one second."""
_GRACE: Final = 20.0
"""Seconds after the start in which no user is taken in: other executors may be starting as well."""
_REST: Final = 15.0
"""Seconds before a user is claimed again whose turn ended by an unexpected failure."""
_REST_OF_REFUSED: Final = 3.0
"""The same if Redis refused a key of this user: that may be corrected at any moment."""
_MOST_NEW: Final = 4
"""New users that a process takes in beyond its capacity, which is the operator's limit: more of them need more executors."""
_SAMPLE: Final = 20
"""Users checked per round, so that a thousand processes do not read a thousand leases each."""
_SHOWN: Final = 5

log = structlog.get_logger()

Serve = Callable[[str, Lease], Coroutine[Any, Any, None]]


class _Alone(Enum):
    """A user without an owner."""

    SERVED_BEFORE = 1
    NEW = 2


class Claims:
    """The turns of this process."""

    def __init__(
        self, bus: Bus, users: Iterable[str], capacity: int, owner: str, serve: Serve, faults: Faults | None = None
    ) -> None:
        self._bus = bus
        self._faults = faults or Faults()
        self._records = Records(bus)
        self.users = list(users)
        self.last: frozenset[str] = frozenset()
        """Users who are claimed only when no other is free: they take no entries."""
        self.groups = ""
        """Whose users these are, as the heartbeats of executors say it."""
        self.capacity = capacity
        self._owner = owner
        self._serve = serve
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._unserved: dict[str, float] = {}
        self._resting: dict[str, float] = {}
        self._started = time.monotonic()
        self._looked = self._started

    @property
    def serving(self) -> int:
        """Return how many users this process serves."""
        return len(self._turns)

    @property
    def state(self) -> str:
        """Describe which users this process serves and how much room it has."""
        names = sorted(self._turns)
        shown = ", ".join(names[:_SHOWN]) or "nobody"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        of = f"; groups {self.groups}" if self.groups else ""
        return f"serving {shown}{more} ({len(names)} of {self.capacity}{of})"

    async def update(self) -> None:
        """Claim free users while there is room, and take in those in need. Survives outages of Redis."""
        for user, turn in list(self._turns.items()):
            if turn.done():
                del self._turns[user]
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
        """Do not claim a user for a while: their turn ended by an unexpected failure, which would only come again."""
        self._resting[user] = time.monotonic() + _REST

    def refused(self, user: str, reason: str) -> None:
        """Note that Redis refuses a key of a user, and try again after a pause; the others are served meanwhile."""
        self._resting[user] = time.monotonic() + _REST_OF_REFUSED
        if self._faults.report(FaultKind.REDIS, user, reason):
            log.error("Redis refuses a key of this user; tried again every few seconds", user=user, reason=reason)

    def cancel(self, user: str) -> None:
        """End a user's turn; the lease is released, and claimed again if the user is still among `users`."""
        if (turn := self._turns.get(user)) is not None:
            turn.cancel()

    async def end(self) -> None:
        """End every turn; each releases its lease."""
        for turn in self._turns.values():
            turn.cancel()
        await asyncio.gather(*self._turns.values(), return_exceptions=True)

    def _others(self) -> list[str]:
        now = time.monotonic()
        found = [user for user in self.users if user not in self._turns and self._resting.get(user, 0.0) <= now]
        random.shuffle(found)  # so that executors that start together do not all try in the same order
        found.sort(key=self.last.__contains__)
        return found

    async def _fill(self) -> None:
        for user in self._others() if len(self._turns) < self.capacity else ():
            if len(self._turns) >= self.capacity:
                return
            await self._claim(user)

    async def _claim(self, user: str) -> bool:
        try:
            lease = await acquire(self._bus, user, self._owner)
        except (BusRefused, BusForbidden) as error:
            # This user's lease is another type of key, or Redis hides it: the others are claimed all the same.
            self.refused(user, str(error))
            return False
        if lease is None:
            self._faults.clear(FaultKind.REDIS, user)  # another executor serves this user, and reports
            return False
        self._unserved.pop(user, None)
        self._turns[user] = asyncio.create_task(self._serve(user, lease))
        return True

    async def _look_around(self) -> None:
        if len(self._turns) > self.capacity and await self._room_elsewhere():
            await self._hand_on()
        elif len(self._turns) >= self.capacity and time.monotonic() - self._started > _GRACE:
            await self._take_in()

    async def _take_in(self) -> None:
        now = time.monotonic()
        looked_at = list(self._unserved) or self._others()[:_SAMPLE]
        for user, alone in zip(looked_at, await self._alone(looked_at), strict=True):
            if not alone or (alone is _Alone.NEW and len(self._turns) >= self.capacity + _MOST_NEW):
                self._unserved.pop(user, None)
            elif now - self._unserved.setdefault(user, now) > _NEED_AFTER and await self._claim(user):
                if alone is _Alone.NEW:
                    log.info(
                        "took in a new user beyond the capacity: no executor has room", user=user, state=self.state
                    )
                else:
                    log.warning("took in a user whom nobody served", user=user, state=self.state)

    async def _alone(self, users: list[str]) -> list[_Alone | None]:
        """Return for each user without an owner whether they were served before; None for the others."""
        commands: list[tuple[str | int | bytes, ...]] = []
        for user in users:
            commands += [("EXISTS", keys.fence(user)), ("EXISTS", keys.lease(user))]
        answers = await self._bus.do_all(commands)
        return [
            None if owned else (_Alone.SERVED_BEFORE if fenced else _Alone.NEW)
            for fenced, owned in zip(answers[::2], answers[1::2], strict=True)
        ]

    async def _room_elsewhere(self) -> bool:
        for name, sign in (await self._records.heartbeats()).items():
            if not name.startswith("executor:") or name.endswith(self._owner):
                continue
            if sign.groups != self.groups:
                continue  # it serves other users
            if sign.serving is not None and sign.capacity is not None and sign.serving < sign.capacity:
                return True
        return False

    async def _hand_on(self) -> None:
        user, turn = next(reversed(self._turns.items()))
        log.info("handing a user on: another executor has room", user=user)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        del self._turns[user]
