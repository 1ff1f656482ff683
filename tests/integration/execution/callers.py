"""The two callers of the core that sends and resolves: alice's executor, and the master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.order.orders import OrderStore
from shared.domain.account import MASTER
from shared.domain.order import Decision, OrderState
from shared.domain.values.money import ZERO
from shared.execution.attempt import Attempt
from shared.execution.following.streamed_orders import StreamedOrders
from shared.runtime.crash_points import CrashPoint
from shared.venues.errors import Rejected
from shared.venues.fake import FakeAccount, FakeVenue
from tests.integration.execution.caller import FRESH_FOR, SIZE, Caller
from tests.integration.executor.rig import USER, Owner, Rig as ExecutorRig, until
from tests.integration.master_strategy.rig import Rig as MasterRig, Run, buy
from tests.unit.master_strategy.values import BTC


class ExecutorCaller(Caller):
    """Alice's executor with an entry to copy."""

    user = USER
    nothing_filled = OrderState.EXPIRED
    before_end = OrderState.SENDING
    crash_points = {  # noqa: RUF012  # never changed
        "write-ahead": CrashPoint.EXECUTOR_AFTER_WRITE_AHEAD,
        "reply": CrashPoint.EXECUTOR_AFTER_REPLY,
        "settle": CrashPoint.EXECUTOR_BEFORE_ACK,
    }

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._rig = ExecutorRig(
            bus,
            clock=self.time,
            steady=lambda: self.time.steady,
            sleep=self.time.sleep,
            crash_points=self.crash_point,
            faults=self.faults,
        )
        self._owner: Owner
        self._decision: Decision
        self._entry_id = ""

    @property
    def account(self) -> FakeAccount:
        return self._rig.account

    @property
    def venue(self) -> FakeVenue:
        return self._owner.venue

    @property
    def store(self) -> OrderStore:
        return self._owner.context.sender.store

    def give(self, streamed: StreamedOrders) -> None:
        self._owner.context.sender.stream = streamed

    async def start(self) -> None:
        self._owner = await self._rig.start()

    async def send(self) -> str:
        self._decision = self._rig.entry(SIZE, fresh_for=FRESH_FOR)
        self._entry_id = await self._rig.hand_out(self._decision)
        self.began_at = self.time.steady
        self._run(redelivered=False)
        return self._decision.id

    async def restart(self) -> None:
        await self.crash()
        await self.start()
        self._run(redelivered=True)

    @property
    def attempts(self) -> Mapping[str, Attempt]:
        """What the present process remembers of its sends."""
        return self._owner.context.sender.attempts

    async def until_key_refused(self) -> None:
        """The account is parked: nothing more is asked, but an operator's verdict is still looked for."""

        async def parked() -> bool:
            return not self._owner.context.account.ready

        await until(parked, "the account is parked")
        asked = self.venue.calls["find"]
        await self.until_later(600)
        assert self.venue.calls["find"] == asked, "a refused key is left alone"

    async def key_works_again(self) -> None:
        await self._owner.context.account.read()

    async def held(self) -> Decimal:
        position = await self._rig.position()
        return position.size.amount if position else ZERO

    def _run(self, *, redelivered: bool) -> None:
        running = self._owner.dispatcher.run(self._decision, self._entry_id, redelivered=redelivered)
        self.task = asyncio.create_task(running)


class MasterCaller(Caller):
    """The master with an order of its strategy."""

    user = MASTER
    nothing_filled = OrderState.FAILED
    before_end = OrderState.ACCEPTED
    crash_points = {  # noqa: RUF012  # never changed
        "write-ahead": CrashPoint.MASTER_AFTER_WRITE_AHEAD,
        "reply": CrashPoint.MASTER_AFTER_REPLY,
        "settle": CrashPoint.MASTER_BEFORE_SETTLE,
    }

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._rig = MasterRig(bus, time=self.time, faults=self.faults, crash_points=self.crash_point)
        self._process: Run

    @property
    def account(self) -> FakeAccount:
        return self._rig.account

    @property
    def venue(self) -> FakeVenue:
        return self._process.venue

    @property
    def store(self) -> OrderStore:
        return self._process.store

    def give(self, streamed: StreamedOrders) -> None:
        self._process.stream = streamed

    async def start(self) -> None:
        self._process = await self._rig.start()

    async def send(self) -> str:
        await self._process.resume()
        sent: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def process() -> None:
            async with asyncio.TaskGroup() as tasks:
                sent.set_result(self._process.trader(tasks).start(BTC, buy(SIZE), "sma-cross").id)

        self.began_at = self.time.steady
        self.task = asyncio.create_task(process())
        return await sent

    async def restart(self) -> None:
        await self.crash()
        await self.start()
        self.task = asyncio.create_task(self._process.resume())

    async def until_key_refused(self) -> None:
        """The refused key ends the session."""
        (ended,) = await asyncio.gather(self.task, return_exceptions=True)
        assert isinstance(ended, ExceptionGroup)
        assert ended.subgroup(Rejected) is not None

    async def key_works_again(self) -> None:
        await self.restart()

    async def held(self) -> Decimal:
        return self._process.book.own.position("sma-cross", BTC).size.amount


CALLERS: Final[Mapping[str, Callable[[Bus], Caller]]] = {"executor": ExecutorCaller, "master": MasterCaller}
