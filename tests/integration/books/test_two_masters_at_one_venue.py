"""Two masters with an account each at one venue, and a user who follows both: master, engine and executor in this test's loop.

Entries are sized by the share, an exit of one master sells its own book alone, every process is restarted once, and the audit
proves the books. `tests/scenarios` has the same with real processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from decimal import Decimal
from typing import cast

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, ReportMessage
from shared.domain.account import MASTER
from shared.domain.limits.policy import FollowedMaster
from shared.domain.order import OrderState, Side
from shared.domain.position import MAIN
from shared.ledger.audit.auditor import run_audit
from shared.ledger.audit.book_sums import BookState
from shared.ledger.audit.facts import AuditTime
from tests.integration.executor.rig import USER, Clock, Rig
from tests.integration.master_strategy.test_both_accounts import emitted
from tests.integration.master_strategy.test_two_at_one_venue import ETH, SWING, OneVenue
from tests.support.copies import now_ms
from tests.support.engines import running
from tests.support.examples import BTC_USD, a_policy

_SHARE = Decimal(30)
_PATIENCE = 60.0
_LOT = Decimal("0.00000001")


class _LiveClock:
    """This machine's clock in place of the rig's, which a test moves: nothing moves it."""

    measured = True

    @property
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    @now.setter
    def now(self, at: int) -> None:
        del at

    def __call__(self) -> int:
        return self.now

    def earliest(self) -> int:
        return self.now

    def heard(self, date: str, age: str, sent: float, received: float) -> None:
        """Learn nothing."""

    def note(self, at: int, resolution_ms: int, sent: float, received: float) -> None:
        """Learn nothing."""


class _World:
    """The two masters' accounts, the user's, and Redis: what outlives the processes."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.master = OneVenue(bus)
        self.rig = Rig(bus, clock=cast("Clock", _LiveClock()), market=self.master.market)
        self.rig.policy = a_policy(USER, masters=(FollowedMaster("swing", "kraken", _SHARE),))

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        async with running(self.bus, [self.rig.policy], clock=self.rig.clock, elapsed=time.monotonic):
            yield

    @asynccontextmanager
    async def executor(self) -> AsyncIterator[None]:
        """Run what an executor does with this user's decisions; at the end it is gone, as after a kill."""
        owner = await self.rig.start()

        async def serve() -> None:
            group, stream = Group(self.bus, keys.EXECUTOR), keys.orders(USER)
            await group.ensure([stream])
            while True:
                for entry in await group.read_new([stream], 100, 20):
                    decision = OrderMessage.parse(entry.fields).to_domain()
                    await owner.dispatcher.run(decision, entry.id, redelivered=False)

        task = asyncio.create_task(serve())
        try:
            yield
        finally:
            failed = task.done()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert not failed

    async def reported(self, count: int) -> ReportMessage:
        """Wait for so many outcomes; return the latest."""
        async with asyncio.timeout(_PATIENCE):
            while len(found := await self.rig.reports()) < count:  # noqa: ASYNC110  # a stream tells nobody
                await asyncio.sleep(0.02)
        assert len(found) == count
        return found[-1]

    async def books(self) -> dict[str, Decimal]:
        position = await self.rig.position()
        return {} if position is None else {name: book.size.amount for name, book in position.split().items()}


async def test_two_masters_at_one_venue_are_copied_apart_through_restarts_of_every_process(bus: Bus) -> None:
    world = _World(bus)
    master = world.master
    async with AsyncExitStack() as engine, AsyncExitStack() as executor:
        await executor.enter_async_context(world.executor())
        async with master.process():
            await engine.enter_async_context(world.engine())
            # Each buys for 48 % of its equity: alice for 48 % of hers, and for swing for 48 % of its share of it.
            master.trade(MASTER, Side.BUY, "0.8")
            assert ((await world.reported(1)).outcome, (await world.reported(1)).master) == (OrderState.FILLED, MAIN)
            master.trade(SWING, Side.BUY, "0.8")
            assert ((await world.reported(2)).outcome, (await world.reported(2)).master) == (OrderState.FILLED, "swing")
            held = await world.books()
            assert Decimal("0.079") < held[MAIN] <= Decimal("0.08")
            assert Decimal("0.0237") < held["swing"] <= Decimal("0.024")
            master.trade(MASTER, Side.BUY, "1", ETH)
            assert (await world.reported(3)).master == MAIN

        # The master's process is gone while swing sells a half; the next one finds it.
        master.trade(SWING, Side.SELL, "0.4")
        async with master.process():
            half = await world.reported(4)
            assert (half.side, half.outcome, half.master) == (Side.SELL, OrderState.FILLED, "swing")
            after = await world.books()
            assert after[MAIN] == held[MAIN]
            assert abs(after["swing"] - held["swing"] / 2) <= _LOT

            await executor.aclose()
            master.trade(SWING, Side.SELL, "0.4")
            await emitted(bus, 5)
            await executor.enter_async_context(world.executor())
            assert (await world.reported(5)).master == "swing"
            assert await world.books() == {MAIN: held[MAIN]}

            await engine.aclose()
            master.trade(MASTER, Side.SELL, "0.8")
            await emitted(bus, 6)
            await engine.enter_async_context(world.engine())
            assert (await world.reported(6)).master == MAIN
            assert await world.books() == {}

    audited = await run_audit(bus, AuditTime(now_ms(), 0), None, 0)
    assert audited.ok, audited.summary()
    assert (audited.signals, audited.tally.books) == (6, {BookState.EQUAL: 1})
    bought = {order.client_order_id for order in world.rig.account.orders}
    assert len(bought) == len(world.rig.account.orders) == 6
    assert (await world.rig.position()) is None
    assert BTC_USD.base not in {asset for asset, amount in world.rig.account.balances.items() if amount}
