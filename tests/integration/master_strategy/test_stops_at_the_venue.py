"""`stop_at_venue`: a stop rests beside each position, rises with its plan, ends before anything else sells, and fills once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Final

import pytest

from shared.bus.connection import Bus
from shared.bus.master.master_account import read_own_positions
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import OrderState, Side
from shared.domain.values.venue import VENUES
from shared.runtime.crash_points import CrashPoint
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Exit
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from tests.integration.master_strategy.rig import Rig
from tests.integration.master_strategy.stop_rig import (
    Desk,
    Dies,
    live,
    move,
    open_sales,
    running,
    sold,
    stop_prices,
    stop_rig,
)
from tests.unit.master_strategy.values import BTC, btc, btc_price

D = Decimal
PLAN: Final = ExitPlan(
    stop=D(57_000), targets=(Target(D(63_000), D("0.5")), Target(D(90_000), D(1))), break_even=D(60_000)
)
TRAILS: Final = ExitPlan(stop=D(57_000), trail=D(1_500), highest=D(60_000))


@pytest.fixture(params=VENUES)
def rig(bus: Bus, request: pytest.FixtureRequest) -> Rig:
    return stop_rig(bus, request.param)


async def _held(rig: Rig) -> Decimal:
    found, _ = await read_own_positions(rig.bus, rig.at)
    return sum((own.size.amount for own in found), D(0))


async def _open(desk: Desk, plan: ExitPlan = PLAN) -> None:
    """Buy, and have the stop rest."""
    await desk.buy(plan)
    await desk.look_until(lambda: stop_prices(desk.rig) == [D(57_000)], 60_000)


async def test_a_stop_rests_for_all_that_is_held_once_the_entry_has_filled(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        for _ in range(20):
            await desk.look(60_000)
        [resting] = open_sales(rig)
        assert resting.size == btc("0.1")
        record = await rig.record(resting.client_order_id)
        assert (record["stop_price"], record["kind"]) == ("57000", "exit")
        assert await sold(rig) == []
        assert desk.trader.available(BTC), "it holds up no other order of the symbol"


async def test_the_venue_acts_while_the_process_is_down_and_that_is_the_exit(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
    rig.time.now += 600_000
    move(rig, 56_500)
    rig.time.now += 600_000
    for _ in range(2):
        async with running(rig) as desk:
            await desk.look_until(lambda: desk.run.book.own.held() == [], 56_000)
    assert await sold(rig) == [D("0.1")]
    assert await _held(rig) == 0
    assert rig.account.balances["BTC"] == 0
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED, OrderState.FILLED]


async def test_its_fill_while_the_process_runs_is_the_exit_and_nothing_else_is_sold(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        await desk.look_until(lambda: desk.run.book.own.held() == [], 57_000)
    assert await sold(rig) == [D("0.1")]
    assert len(rig.account.orders) == 2


async def test_it_rises_with_the_plan_and_is_never_two(rig: Rig) -> None:
    """The rig fails if more than is held is on sale at any instant."""
    async with running(rig) as desk:
        await _open(desk, TRAILS)
        await desk.look_until(lambda: stop_prices(rig) == [D(60_500)], 62_000)
        await desk.look_until(lambda: stop_prices(rig) == [D(63_500)], 65_000)
        for price in (65_010, 64_000, 65_020):  # less than 0.1 %, or no rise
            for _ in range(20):
                await desk.look(price)
        assert stop_prices(rig) == [D(63_500)]
    assert await sold(rig) == []


async def test_it_is_cancelled_before_the_strategy_sells(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        desk.exits.request("sma-cross", Exit(BTC, D(1), "the strategy"), btc_price(60_000))
        assert len(open_sales(rig)) == 1
        await desk.look_until(lambda: desk.run.book.own.held() == [], 60_000)
    assert await sold(rig) == [D("0.1")]
    assert rig.account.balances["BTC"] == 0


async def test_a_target_sells_its_part_and_then_a_stop_rests_for_the_rest_at_the_entry(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        await desk.look_until(lambda: stop_prices(rig) == [D(60_000)], 63_000)
        [resting] = open_sales(rig)
        assert resting.size == btc("0.05")
    assert await sold(rig) == [D("0.05")]


async def test_a_cancel_that_meets_the_fill_is_the_exit_and_nothing_is_sold_twice(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        rig.account.fills_on_cancel = True
        desk.exits.request("sma-cross", Exit(BTC, D(1), "the strategy"), btc_price(60_000))
        await desk.look_until(lambda: desk.run.book.own.held() == [], 60_000)
        for _ in range(20):
            await desk.look(60_000)
    assert await sold(rig) == [D("0.1")]
    assert len(rig.account.orders) == 2


@pytest.mark.parametrize(
    "trouble", [Unavailable("EService:Busy"), OutcomeUnknown("time-out"), Rejected("no", Refusal.OTHER)]
)
async def test_a_cancel_in_trouble_is_repeated_and_nothing_is_sold_before_its_end(rig: Rig, trouble: Exception) -> None:
    async with running(rig) as desk:
        await _open(desk)
        desk.run.venue.fail("cancel", trouble, times=3)
        desk.exits.request("sma-cross", Exit(BTC, D(1), "the strategy"), btc_price(60_000))
        for _ in range(3):
            await desk.look(60_000)
        assert await sold(rig) == []
        await desk.look_until(lambda: desk.run.book.own.held() == [], 60_000, times=200)
    assert await sold(rig) == [D("0.1")]
    assert not rig.faults.standing


@pytest.mark.parametrize("point", [CrashPoint.MASTER_AFTER_WRITE_AHEAD, CrashPoint.MASTER_AFTER_REPLY])
async def test_killed_while_it_is_placed_there_is_one_stop_after_the_restart(rig: Rig, point: CrashPoint) -> None:
    async with running(rig) as desk:
        await desk.buy(PLAN)
    async with running(rig, dies=Dies(point)) as desk:
        for _ in range(20):
            await desk.look(60_000)
            await asyncio.sleep(0.002)
    async with running(rig) as desk:
        await desk.look_until(lambda: stop_prices(rig) == [D(57_000)], 60_000, times=200)
        for _ in range(30):
            await desk.look(60_000)
        assert len(open_sales(rig)) == 1
        await desk.look_until(lambda: desk.run.book.own.held() == [], 56_000)
    assert await sold(rig) == [D("0.1")]


@pytest.mark.parametrize(
    "point", [CrashPoint.MASTER_BEFORE_EMIT, CrashPoint.MASTER_AFTER_EMIT, CrashPoint.MASTER_BEFORE_SETTLE]
)
async def test_killed_while_its_fill_is_booked_it_is_emitted_and_booked_once(rig: Rig, point: CrashPoint) -> None:
    async with running(rig) as desk:
        await _open(desk)
    async with running(rig, dies=Dies(point)) as desk:
        for _ in range(20):
            await desk.look(56_500)
            await asyncio.sleep(0.002)
    for _ in range(2):
        async with running(rig) as desk:
            await desk.look_until(lambda: desk.run.book.own.held() == [], 56_500)
    assert await sold(rig) == [D("0.1")]
    assert await _held(rig) == 0
    assert rig.account.balances["BTC"] == 0


async def test_killed_between_the_cancel_and_the_sale_the_rest_is_still_protected_and_sold_once(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
        desk.exits.request("sma-cross", Exit(BTC, D(1), "the strategy"), btc_price(60_000))
        await desk.look_until(lambda: not open_sales(rig), 60_000)
    async with running(rig) as desk:
        await desk.look_until(lambda: stop_prices(rig) == [D(57_000)], 60_000)
        await desk.look_until(lambda: desk.run.book.own.held() == [], 56_000)
    assert await sold(rig) == [D("0.1")]


@pytest.mark.parametrize("after_accept", [True, False])
async def test_a_lost_reply_gives_one_stop(rig: Rig, *, after_accept: bool) -> None:
    async with running(rig) as desk:
        await desk.buy(PLAN)
        desk.run.venue.fail("place", OutcomeUnknown("time-out"), after_accept=after_accept)
        await desk.look_until(lambda: stop_prices(rig) == [D(57_000)], 60_000, times=200)
        for _ in range(30):
            await desk.look(60_000)
        assert len(open_sales(rig)) == 1


@pytest.mark.parametrize("refusal", [Refusal.FUNDS, Refusal.OTHER])
async def test_a_refused_stop_sells_nothing_in_its_place_and_is_tried_again_later(rig: Rig, refusal: Refusal) -> None:
    async with running(rig) as desk:
        await desk.buy(PLAN)
        desk.run.venue.fail("place", Rejected("EOrder:no", refusal))
        for _ in range(10):
            await desk.look(60_000)
        assert await sold(rig) == []
        assert len(desk.run.venue.sent) == 1
        await desk.look_until(lambda: stop_prices(rig) == [D(57_000)], 60_000)


async def test_a_stop_that_lacks_a_crumb_is_not_sold_less_the_crumb_at_market(rig: Rig) -> None:
    """As a sale at market is: that one is wanted now, this one at the stop's price."""
    async with running(rig) as desk:
        await desk.buy(PLAN)
        rig.account.move("BTC", D("-0.00000001"))
        for _ in range(20):
            await desk.look(60_000)
        assert await sold(rig) == []
        assert [order.stop_price is None for order in desk.run.venue.sent] == [True, False, False]


async def test_a_stop_that_redis_has_lost_is_cancelled_before_another_one_rests(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
    [lost] = open_sales(rig)
    await rig.bus.do("DEL", keys.order(MASTER, lost.client_order_id))
    async with running(rig) as desk:
        await desk.look_until(
            lambda: [each.client_order_id for each in open_sales(rig)] not in ([], [lost.client_order_id]), 60_000
        )
        assert stop_prices(rig) == [D(57_000)]


async def test_switched_off_what_rests_is_cancelled_and_the_plan_acts_alone(rig: Rig) -> None:
    async with running(rig) as desk:
        await _open(desk)
    rig.keeps_stops = False
    async with running(rig) as desk:
        await desk.look_until(lambda: not open_sales(rig), 60_000)
        for _ in range(20):
            await desk.look(60_000)
        assert not open_sales(rig)
        await desk.look_until(lambda: desk.run.book.own.held() == [], 56_000)
    assert await sold(rig) == [D("0.1")]


async def test_a_key_that_may_not_cancel_has_no_stop_rest(rig: Rig) -> None:
    rig.account.may_cancel = False
    async with running(rig) as desk:
        await desk.buy(PLAN)
        for _ in range(40):
            await desk.look(60_000)
        assert not open_sales(rig)
        await desk.look_until(lambda: desk.run.book.own.held() == [], 56_000)
    assert await sold(rig) == [D("0.1")]


async def test_a_stop_that_the_price_has_jumped_over_is_cancelled_and_the_plan_sells_at_market(rig: Rig) -> None:
    """Where a venue has no stop at market its limit is 2 % below: the market may be lower still."""
    async with running(rig) as desk:
        await _open(desk)
        await desk.look_until(lambda: desk.run.book.own.held() == [], 50_000)
    assert await sold(rig) == [D("0.1")]
    assert rig.account.balances["BTC"] == 0


@pytest.mark.parametrize("locked", [True, False])
async def test_what_is_held_is_not_lowered_to_the_account_while_a_stop_locks_the_coin(
    rig: Rig, *, locked: bool
) -> None:
    """Its fill may be in the balance before it is booked: another strategy's coins would be taken for the missing ones."""
    async with running(rig) as desk:
        run = desk.run
        await desk.buy(PLAN)
        if locked:
            run.stops.begin(replace(run.own(Side.SELL, "0.1"), stop_price=btc_price(57_000)))
        rig.account.move("BTC", D("-0.1"))
        for _ in range(6):
            rig.time.now += 60_000
            await run.mirror.refresh()
            await run.watcher.scan()
        assert run.book.own.position("sma-cross", BTC).size.amount == (D("0.1") if locked else 0)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_price_does_and_whenever_it_dies_what_was_bought_is_sold_once(rig: Rig, seed: int) -> None:
    """A random walk with kills at random steps, lost replies and wishes of the strategy; the rig watches what is on sale."""
    chance, price = Random(seed), 60_000
    plan = replace(TRAILS, targets=(Target(D(61_000), D("0.4")), Target(D(64_000), D(1))), highest=None)

    async def walk(desk: Desk) -> None:
        nonlocal price
        for _ in range(chance.randint(5, 40)):
            price += chance.randint(-400, 390)
            if chance.random() < 0.05:
                method, taken = chance.choice(["place", "cancel"]), chance.random() < 0.5
                desk.run.venue.fail(method, OutcomeUnknown("time-out"), after_accept=taken)
            if chance.random() < 0.03 and desk.run.book.own.held():
                desk.exits.request("sma-cross", Exit(BTC, D("0.3"), "a part"), btc_price(price))
            await desk.look(price)
            await asyncio.sleep(0.001)

    async with running(rig) as desk:
        await desk.buy(plan)
    points = [None, *(each for each in CrashPoint if each.startswith("master"))]
    for _ in range(6):
        await live(rig, Dies(chance.choice(points), chance.randint(1, 3)), walk)
        for _ in range(chance.randint(0, 3)):
            price += chance.randint(-900, 900)
            rig.time.now += 60_000
            move(rig, price)
    async with running(rig) as desk:
        await desk.look_until(lambda: desk.run.book.own.held() == [] and not open_sales(rig), 40_000, times=300)
    assert sum(await sold(rig)) == D("0.1")
    assert rig.account.balances["BTC"] == 0
    assert await _held(rig) == 0
