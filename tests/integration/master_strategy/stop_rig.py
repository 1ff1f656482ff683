"""A master whose stops rest at the venue: time moves only when a test moves it, and a process can die at any step."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.exit_watch import ExitWatch
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.trader import Trader
from shared.bus.connection import Bus
from shared.domain.order import Kind, Side
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.order_plan import OrderPlan
from shared.venues.port import VenueOrder, VenueOrderStatus
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.master_strategy.rig import Rig, Run
from tests.unit.master_strategy.values import BTC, btc, btc_price


class HeldTime(SteppedTime):
    """Sleeping does not move it: a stop rests for as long as a test wants it to."""

    async def sleep(self, seconds: float) -> None:
        """Wait until a test has moved the clock so far."""
        end = self.now + max(math.ceil(seconds * 1000), 1)
        while self.now < end:  # noqa: ASYNC110  # the test moves it, and tells no one
            await asyncio.sleep(0.001)


class DiedError(Exception):
    """The process is dead."""


class Dies(CrashPoints):
    """Ends the process of a test at a point, for the n-th time that it is passed."""

    def __init__(self, point: CrashPoint | None = None, times: int = 1) -> None:
        super().__init__()
        self._at, self._times = point, times

    def hit(self, point: CrashPoint) -> None:
        """Die."""
        if point is self._at:
            self._times -= 1
            if not self._times:
                raise DiedError(point)


@dataclass
class Desk:
    """One process that runs."""

    rig: Rig
    run: Run
    trader: Trader
    stops: VenueStops
    exits: Exits
    watch: ExitWatch

    async def look(self, price: int | str) -> None:
        """Have the market be here, at the venue and as published, and look once."""
        self.rig.time.now += 1_000
        move(self.rig, price)
        await self.run.records.write_prices(self.rig.at, [btc_price(str(price))], self.rig.time.now)
        await self.watch.look()

    async def look_until(self, condition: Callable[[], object], price: int | str, *, times: int = 80) -> None:
        """Look again and again at a price, a second apart, until the condition holds."""
        for _ in range(times):
            if condition():
                return
            await self.look(price)
            await asyncio.sleep(0.005)
        assert condition(), f"not after {times} s"

    async def buy(self, plan: ExitPlan, size: str = "0.1") -> None:
        """Have the strategy buy, and wait for the settlement."""
        self.trader.start(BTC, OrderPlan(Side.BUY, btc(size), None, "test", entered_at=1, exit_plan=plan), "sma-cross")
        async with asyncio.timeout(30):
            while self.run.book.under_way:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


def move(rig: Rig, price: int | str) -> None:
    """Have the market be here: what rests at the venue acts, whether a process runs or not."""
    rig.market.prices[BTC] = Decimal(price)
    rig.account.meet(btc_price(str(price)), rig.time.now)


def stop_rig(bus: Bus, at: str) -> Rig:
    """Return a rig with `stop_at_venue`, whose account never has more on sale than it holds."""
    rig = Rig(bus, time=HeldTime(), keeps_stops=True, at=at)

    def never_too_much_on_sale(_: VenueOrder) -> None:
        on_sale = sum(((each.size - each.filled).amount for each in open_sales(rig) if each.size), Decimal(0))
        assert on_sale <= rig.account.balances.get("BTC", Decimal(0)), "more is on sale than is held"

    rig.account.listeners.append(never_too_much_on_sale)
    return rig


def open_sales(rig: Rig) -> list[VenueOrder]:
    """Return what may still sell something at the venue."""
    sales = [each for each in rig.account.orders if each.side is Side.SELL]
    return [each for each in sales if each.status is VenueOrderStatus.OPEN]


def stop_prices(rig: Rig) -> list[Decimal]:
    """Return the prices of the stops that rest at the venue."""
    return [rig.account.stops[each.venue_order_id].price.amount for each in open_sales(rig)]


async def sold(rig: Rig) -> list[Decimal]:
    """Return the sizes of the exits that were emitted."""
    return [signal.base_size.amount for signal in await rig.signals() if signal.kind is Kind.EXIT]


class _Over(Exception):  # noqa: N818
    pass


@asynccontextmanager
async def running(rig: Rig, *, dies: Dies | None = None) -> AsyncIterator[Desk]:
    """Run a process, which takes up what the one before has left; leaving is a kill."""
    rig.crash_points = dies or CrashPoints()
    run = await rig.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            yield await _open(rig, run, tasks)
            raise _Over  # noqa: TRY301
    except* (_Over, DiedError):
        pass


async def live(rig: Rig, dies: Dies, script: Callable[[Desk], Awaitable[None]]) -> None:
    """Run a process that does what a script says, and that may die at any step, its start included."""
    rig.crash_points = dies
    run = await rig.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            await script(await _open(rig, run, tasks))
            raise _Over  # noqa: TRY301
    except* (_Over, DiedError):
        pass


async def _open(rig: Rig, run: Run, tasks: asyncio.TaskGroup) -> Desk:
    trader = run.trader(tasks)
    await trader.follow_unfinished()
    await run.watcher.scan()
    stops = run.venue_stops(trader, enabled=rig.keeps_stops)
    tasks.create_task(stops.prepare())
    exits = run.exits(trader, stops)
    return Desk(rig, run, trader, stops, exits, run.exit_watch(trader, exits, stops))
