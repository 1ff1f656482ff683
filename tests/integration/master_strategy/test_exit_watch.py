"""Stops and targets are recorded with the fill and act by the published price, whatever the strategy does meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from services.master_strategy.trading.exit_watch import STALE_MS
from services.master_strategy.trading.exits import Exits
from services.master_strategy.trading.own_order import OwnOrder
from shared.bus.master.master_account import read_own_positions
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.order_plan import OrderPlan
from shared.strategies.own_position import OwnPosition
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected
from shared.venues.port import Outgoing
from tests.integration.master_strategy.rig import Rig, Run, until
from tests.unit.master_strategy.values import BTC, btc, btc_price

D = Decimal
PLAN = ExitPlan(
    stop=D(57_000),
    targets=(Target(D(63_000), D("0.5")), Target(D(66_000), D(1))),
    break_even=D(60_000),
    trail=D(1_500),
)


def _buy(plan: ExitPlan | None = PLAN, size: str = "0.1") -> OrderPlan:
    return OrderPlan(Side.BUY, btc(size), None, "test", entered_at=1_234, exit_plan=plan)


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


async def _recorded(rig: Rig) -> list[OwnPosition]:
    """Return what Redis holds of the strategies' positions that are not empty."""
    found, unreadable = await read_own_positions(rig.bus, rig.at)
    assert not unreadable
    return [own for own in found if own.size.amount > 0]


async def _price(rig: Rig, run: Run, price: int | str, *, age_ms: int = 0) -> None:
    """Publish a price, of now or older, as the feed does."""
    rig.market.prices[BTC] = D(price)
    await run.records.write_prices(rig.at, [btc_price(str(price))], rig.time.now - age_ms)


async def _look(rig: Rig, run: Run, *prices: int | str, age_ms: int = 0) -> list[str]:
    """Look at each of these prices, and let what is sent end; return what was warned of."""
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            trader = run.trader(tasks)
            watch = run.exit_watch(trader)
            for price in prices:
                rig.time.now += 1_000
                await _price(rig, run, price, age_ms=age_ms)
                await watch.look()
                await until(lambda: BTC not in run.book.under_way)
    return [line["does"] for line in logs if line["log_level"] == "warning" and "does" in line]


async def _sizes(rig: Rig) -> list[tuple[Kind, Decimal]]:
    return [(signal.kind, signal.base_size.amount) for signal in await rig.signals()]


async def test_a_plan_is_recorded_in_the_step_that_settles_the_entry(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    [own] = await _recorded(rig)
    assert (own.strategy, own.size, own.plan, own.entered_at) == ("sma-cross", btc("0.1"), PLAN, 1_234)


async def test_at_the_stop_everything_is_sold(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    await _look(rig, run, 57_001, 57_000)
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1")), (Kind.EXIT, D("0.1"))]
    assert await _recorded(rig) == []


async def test_targets_sell_their_parts_move_the_stop_to_the_entry_and_trail(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    await _look(rig, run, 62_999, 63_000)
    [own] = await _recorded(rig)
    assert own.plan is not None
    assert (own.size, own.plan.stop, own.plan.targets) == (btc("0.05"), D(61_500), PLAN.targets[1:])
    await _look(rig, run, 64_000, 62_501)
    assert len(await _sizes(rig)) == 2
    await _look(rig, run, 62_500)
    assert (await _sizes(rig))[2:] == [(Kind.EXIT, D("0.05"))]


async def test_a_master_that_was_down_acts_by_its_first_fresh_price(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    rig.time.now += 600_000
    rig.market.prices[BTC] = D(56_000)
    later = await rig.start()  # its first look at the account publishes prices
    await later.resume()
    async with asyncio.TaskGroup() as tasks:
        await later.exit_watch(later.trader(tasks)).look()
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1")), (Kind.EXIT, D("0.1"))]


@pytest.mark.parametrize("crash", ["before the settlement", "before the send"])
async def test_a_crash_on_the_way_loses_no_plan(rig: Rig, run: Run, crash: str) -> None:
    own = replace(run.own(Side.BUY, "0.1"), entered_at=1_234, exit_plan=PLAN)
    if crash == "before the send":
        await run.write_ahead(own, Outgoing(rig.time.now + 5_000))
    else:
        await run.place(own)
    later = await rig.start()
    await later.resume()
    expected = [] if crash == "before the send" else [(btc("0.1"), PLAN)]
    assert [(each.size, each.plan) for each in await _recorded(rig)] == expected


async def test_a_crash_between_the_fill_of_a_target_and_its_settlement_counts_it_once(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    due = PLAN.due(D(63_000))
    sale = replace(run.own(Side.SELL, "0.05"), exit_step=due)
    rig.market.prices[BTC] = D(63_000)
    await run.place(sale)
    later = await rig.start()
    await later.resume()
    [own] = await _recorded(rig)
    assert own.plan is not None
    assert (own.size, own.plan.targets) == (btc("0.05"), PLAN.targets[1:])
    await _look(rig, later, 63_000)
    assert len(await _sizes(rig)) == 2, "the first target was sold already"


@pytest.mark.parametrize("age_ms", [STALE_MS + 1, 600_000])
async def test_an_old_price_sells_nothing_and_that_is_said_once(rig: Rig, run: Run, age_ms: int) -> None:
    await run.trade(_buy())
    rig.time.now += 700_000
    said = await _look(rig, run, 50_000, 49_000, age_ms=age_ms)
    assert said == ["holding: no fresh price, so its exit plan does nothing"]
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1"))]


async def test_a_price_of_before_the_last_fill_sells_nothing(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    assert await _look(rig, run, 50_000, age_ms=1_001) == []
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1"))]
    await _look(rig, run, 50_000)
    assert len(await _sizes(rig)) == 2


async def test_no_price_at_all_sells_nothing(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    await rig.bus.do("DEL", keys.prices(rig.at))
    async with asyncio.TaskGroup() as tasks:
        await run.exit_watch(run.trader(tasks)).look()
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1"))]


async def test_nothing_more_is_sent_while_the_sale_at_a_stop_is_unknown(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    run.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    gate = run.venue.hold("replay" if run.venue.replays else "find")
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        watch = run.exit_watch(trader)
        await _price(rig, run, 56_000)
        for _ in range(3):
            await watch.look()
            await asyncio.sleep(0)
        gate.set()
    assert run.venue.calls["place"] == 2
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1")), (Kind.EXIT, D("0.1"))]


async def test_a_target_of_what_the_venue_does_not_list_is_not_done(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    run.mirror.instruments = {}
    assert len(await _look(rig, run, 63_000)) == 1
    [own] = await _recorded(rig)
    assert own.plan == PLAN


@pytest.mark.parametrize(("price", "limit"), [(56_000, None), (63_000, D("62874"))])
async def test_at_a_stop_the_order_is_at_market_and_at_a_target_as_set(
    rig: Rig, run: Run, price: int, limit: Decimal | None
) -> None:
    await run.trade(_buy())
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        exits = Exits(book=run.book, mirror=run.mirror, trader=trader, slippage_bps=D(20))
        await _price(rig, run, price)
        await run.exit_watch(trader, exits).look()
    found = run.venue.sent[-1].limit_price
    assert (None if found is None else found.amount) == limit


async def test_a_position_that_is_traded_during_a_look_is_left_to_the_next_one(rig: Rig, run: Run) -> None:
    """The look waits for a settlement that sells what the look was about to sell."""
    await run.trade(_buy())
    await _look(rig, run, 63_000)
    held = run.book.own
    async with asyncio.TaskGroup() as tasks:
        watch = run.exit_watch(run.trader(tasks))
        await _price(rig, run, 66_000)
        async with held.changing:
            looking = tasks.create_task(watch.look())
            await asyncio.sleep(0.05)  # it waits at the latest here, whatever the machine does; less only proves less
            own = held.position("sma-cross", BTC)
            assert own.plan is not None
            held.put(replace(own, plan=replace(own.plan, targets=())))
        await looking
    assert len(await _sizes(rig)) == 2


async def test_a_stop_that_was_refused_is_tried_again(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    run.venue.fail("place", Rejected("EOrder:Something", Refusal.OTHER))
    await _look(rig, run, 56_000)
    assert len(await _sizes(rig)) == 1
    rig.time.now += 15_000
    await _look(rig, run, 56_000)
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1")), (Kind.EXIT, D("0.1"))]


async def test_the_rest_of_a_target_that_filled_in_part_is_sold_before_it_counts_as_done(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    rig.account.fill_share = D("0.5")
    await _look(rig, run, 63_000)
    [own] = await _recorded(rig)
    assert own.plan is not None
    assert (own.size, own.plan.stop) == (btc("0.075"), PLAN.stop)
    rig.account.fill_share = D(1)
    await _look(rig, run, 63_000)
    [own] = await _recorded(rig)
    assert own.plan is not None
    assert (own.size.amount.quantize(D("0.0001")), own.plan.stop) == (D("0.0500"), D(61_500))
    assert own.plan.targets == PLAN.targets[1:]


async def test_a_target_too_small_to_be_sold_still_moves_the_stop(rig: Rig, run: Run) -> None:
    small = replace(PLAN, targets=(Target(D(63_000), D("0.00001")), Target(D(66_000), D(1))))
    await run.trade(_buy(small))
    assert len(await _look(rig, run, 63_000, 63_000)) == 1
    [own] = await _recorded(rig)
    assert own.plan is not None
    assert (own.size, own.plan.stop, own.plan.targets) == (btc("0.1"), D(61_500), PLAN.targets[1:])


async def test_a_high_is_written_every_few_seconds_and_in_memory_at_once(rig: Rig, run: Run) -> None:
    await run.trade(_buy())
    await _look(rig, run, 63_000)
    async with asyncio.TaskGroup() as tasks:
        watch = run.exit_watch(run.trader(tasks))
        written = []
        for price in (63_100, 63_200, 63_300, 63_400, 63_500, 63_600, 63_700):
            rig.time.now += 1_000
            await _price(rig, run, price)
            await watch.look()
            [own] = await _recorded(rig)
            assert own.plan is not None
            written.append(own.plan.highest)
    assert written == [D(63_100)] * 5 + [D(63_600)] * 2
    held = run.book.own.position("sma-cross", BTC).plan
    assert held is not None
    assert (held.highest, held.stop) == (D(63_700), D(62_200))


async def test_what_another_strategy_holds_is_left_alone(rig: Rig, run: Run) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        trader.start(BTC, _buy(), "first")
        await until(lambda: trader.available(BTC))
        trader.start(BTC, _buy(None, "0.2"), "second")
    await _look(rig, run, 50_000)
    assert await _sizes(rig) == [(Kind.ENTRY, D("0.1")), (Kind.ENTRY, D("0.2")), (Kind.EXIT, D("0.1"))]
    assert [(own.strategy, own.size) for own in await _recorded(rig)] == [("second", btc("0.2"))]


async def test_two_plans_of_one_symbol_sell_one_after_another(rig: Rig, run: Run) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        trader.start(BTC, _buy(), "first")
        await until(lambda: trader.available(BTC))
        trader.start(BTC, _buy(PLAN, "0.2"), "second")
    await _look(rig, run, 50_000, 50_000)
    assert (await _sizes(rig))[2:] == [(Kind.EXIT, D("0.1")), (Kind.EXIT, D("0.2"))]
    assert await _recorded(rig) == []


async def test_an_order_whose_plan_cannot_be_read_is_followed_to_its_end_all_the_same(rig: Rig, run: Run) -> None:
    own: OwnOrder = replace(run.own(Side.BUY, "0.1"), exit_plan=PLAN)
    placed = await run.place(own)
    await rig.bus.do("HSET", keys.order(MASTER, placed.id), "exit_plan", "{", "exit_step", "x")
    await (await rig.start()).resume()
    [held] = await _recorded(rig)
    assert (held.size, held.plan) == (btc("0.1"), None)
