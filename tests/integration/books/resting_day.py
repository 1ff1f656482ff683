"""The resting orders of a day: emitted by the master's process, decided by the engine, mirrored by alice's executor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.copy_engine.decisions.markets import Markets
from services.copy_engine.mirroring.mirroring import Mirroring
from services.executor.mirroring.mirrors import Mirrors
from services.executor.protection.housekeeper import Task
from services.executor.turn.symbol_queues import SymbolQueues
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.resting_orders import RestingOrders
from services.paper_exchange.core.account import Account
from shared.bus.flow.streams import Group
from shared.bus.master.master_orders import MasterOrderLog
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.mirror import RestingOrderMessage
from shared.domain.fault import Faults
from tests.integration.books.paper_accounts import EngineTurn
from tests.integration.executor.rig import USER, Owner
from tests.integration.master_strategy.rig import Run
from tests.support.newcomers import Turn

_PATIENCE = 30.0


class RestingDay:
    """What mirrors the master's orders for alice, from the first to the last."""

    def __init__(self, run: Run, owner: Owner, engine: EngineTurn, at: str) -> None:
        self._owner = owner
        self._engine: Turn = engine
        bus, clock = engine.bus, run.time.clock()
        run.watcher._resting = RestingOrders(
            log=MasterOrderLog(bus, at),
            venue=run.venue,
            lease=run.lease,
            book=run.book,
            mirror=run.mirror,
            copies=OwnCopies(bus, at, clock, Faults()),
            clock=clock,
            currency="USD",
        )
        self._exchange = owner.venue
        self._mirroring = Mirroring(bus, engine.group, engine.clock, time.monotonic, Faults(), lambda: "")
        self._markets = Markets(Records(bus), engine.clock, time.monotonic)
        self._group = Group(bus, keys.EXECUTOR)

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin as a turn of the executor does."""

        async def run_task(task: Task) -> None:
            await task()

        context = self._owner.context
        self._mirrors = Mirrors(self._engine.bus, context, self._owner.dispatcher, SymbolQueues(tasks, run_task), tasks)
        context.mirrors = self._mirrors
        await self._mirrors.resume()
        await self._group.ensure([keys.resting(USER)])
        await self.carry()

    async def carry(self) -> None:
        """Carry what the master's process has emitted to alice's venue, and wait until it is there."""
        await self._mirroring.round(self._engine.users, self._markets)
        for entry in await self._group.read_new([keys.resting(USER)], 100, 1):
            wanted = RestingOrderMessage.parse(entry.fields).to_domain()
            await self._mirrors.apply(wanted, entry.id)
            await self._group.ack(keys.resting(USER), entry.id)
        for _ in range(3):  # a leg is placed, and looked at again
            await asyncio.sleep(0.02)

    async def end(
        self, books: Account, look: Callable[[], Awaitable[None]], carry_out: Callable[[], Awaitable[None]]
    ) -> None:
        """Cancel what of the master's still rests, and wait until alice's copies have their outcomes."""
        venue = self._owner.venue
        for order in list(books.open_orders.values()):
            venue.exchange.cancel(order)  # type: ignore[attr-defined]  # it is one of the core
        await look()
        async with asyncio.timeout(_PATIENCE):
            while True:
                await self.carry()
                await carry_out()
                if not self._mirrors.orders:
                    return
