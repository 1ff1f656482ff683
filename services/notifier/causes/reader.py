"""Reads all that a message could be about. It only reads, in small pages, and spends at most a fifth of its time on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.notifier.causes.dead_letters import DeadLetterReader
from services.notifier.causes.faults import RedisFaults, of_faults
from services.notifier.causes.processes import ProcessReader
from services.notifier.causes.redis_memory import MemoryReader
from services.notifier.causes.stage_moves import read_stage_moves
from services.notifier.causes.switches import SymbolSwitches, of_switch
from services.notifier.causes.unknown_orders import of_orders, read_unknown_orders
from services.notifier.causes.users import UNSERVED, UserReader
from services.notifier.causes.waiting_signals import WaitingSignals
from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.state.records import read_control
from shared.config.notifications import Event, NotifySettings
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.ledger.open_issues import UnresolvedOrder

START_MS: Final = 30_000
"""For this long after its own start the notifier misses no service: perhaps all are being started."""
_EVERY: Final = 1.0
_ORDERS_EVERY: Final = 2.0
_REST: Final = 4.0
"""Seconds of rest for each second of reading."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands, and the events of which nothing is known yet."""

    causes: Sequence[Cause]
    unread: frozenset[Event] = field(default_factory=frozenset)


class CauseReader:
    """Reads the causes of one turn. `users` returns the present users, `clock` epoch ms."""

    def __init__(
        self,
        bus: Bus,
        settings: NotifySettings,
        users: Callable[[], Mapping[str, UserPolicy]],
        clock: Callable[[], int],
        start_ms: int = START_MS,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._users = users
        self._clock = clock
        self._patient_until = clock() + start_ms
        self._user_reader = UserReader(bus)
        self._processes = ProcessReader(bus)
        self._symbols = SymbolSwitches(bus)
        self._dead_letters = DeadLetterReader(bus)
        self._memory = MemoryReader(bus)
        self._redis_faults = RedisFaults()
        self._waiting = WaitingSignals(bus)
        self._orders: Sequence[UnresolvedOrder] | None = None

    async def read(self) -> Reading:
        """Read once. Raises BusUnavailable."""
        now, users = self._clock(), self._users()
        causes, executors = await self._user_reader.read(users, now)
        causes += of_switch("", read_control((await self._bus.do_all([("HGETALL", keys.CONTROL)]))[0]))
        for symbol, switch in (await self._symbols.read()).items():
            causes += of_switch(symbol, switch, symbol=True)
        processes = await self._processes.read(executors, now)
        down = self._processes.missing(processes, now)
        if any(each.group == keys.EXECUTOR for each in down):
            self._user_reader.forget_unserved()
            causes = [each for each in causes if each.group != UNSERVED or each.event is not Event.SERVICE_DOWN]
        causes += down
        if not any(
            each.group == keys.ENGINE for each in down
        ):  # one that is down decides nothing: that is said already
            causes += await self._waiting.read(now)
        causes += await self._dead_letters.read(users, now)
        causes += await read_stage_moves(self._bus, users, now)
        causes += await self._memory.read(now)
        orders = of_orders(self._orders or (), now, self._settings.unknown_after_ms)
        causes += orders
        known = {order.order_id for order in self._orders or ()}
        faults = of_faults(processes, known, now, self._settings.unknown_after_ms)
        causes += self._redis_faults.settled(faults, now)
        unread = set() if self._orders is not None else {Event.UNKNOWN_ORDER}
        if now < self._patient_until:
            unread.add(Event.SERVICE_DOWN)
        lost = {each.who for each in causes if each.event is Event.BOOKS_LOST}
        return Reading(
            [each for each in causes if each.event not in unread and not _said_by(each, lost)], frozenset(unread)
        )

    async def follow(self, use: Callable[[Reading], Awaitable[None]]) -> None:
        """Read for ever, and pass on what is found. Raises BusUnavailable, LeaseLost."""
        while True:
            began = time.monotonic()
            await use(await self.read())
            await asyncio.sleep(max(_EVERY, (time.monotonic() - began) * _REST))

    async def follow_orders(self) -> None:
        """Read unresolved orders for ever. Raises BusUnavailable."""
        while True:
            began = time.monotonic()
            self._orders = await read_unknown_orders(self._bus, list(self._users()))
            await asyncio.sleep(max(_ORDERS_EVERY, (time.monotonic() - began) * _REST))


def _said_by(cause: Cause, lost: set[str]) -> bool:
    """Return whether a parked account is one whose lost records are reported: one message is enough."""
    return cause.event is Event.PARKED and cause.key.partition("|")[0] in lost
