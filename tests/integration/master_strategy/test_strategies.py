"""Several strategies trade one account: each by its share of the equity and its caps, and each sells only what it bought."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.master_strategy.plugins.needs import Needs
from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.modes import MASTER_MODE
from services.master_strategy.trading.own_order import own_id
from services.master_strategy.trading.trader import Trader
from shared.bus.master.master_account import read_own_positions
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind
from shared.domain.order import Kind, Side
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.port import Context, Enter, Exit, Intent
from shared.strategies.settings import StrategySettings
from shared.venues.errors import OutcomeUnknown
from tests.integration.master_strategy.rig import Rig, Run, buy, until
from tests.unit.master_strategy.values import BTC, MINUTE, NOW, btc, btc_price, falling, rising

TWO: dict[str, Any] = {
    "strategies": [
        {"strategy": "sma-cross", "equity_pct": 25},
        {"strategy": "sma-cross", "name": "second", "equity_pct": 50, "settings": {"entry_pct_by_symbol": {}}},
    ],
    "entry_gap_seconds": 0,
}


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


async def _held(rig: Rig) -> dict[str, Decimal]:
    found, _ = await read_own_positions(rig.bus, rig.at)
    return {own.strategy: own.size.amount for own in found if own.size.amount > 0}


async def _turn(rig: Rig, trader: Trader, cycle: Cycle) -> None:
    await cycle.turn()
    await until(lambda: BTC not in trader._book.under_way)
    rig.time.now += 20_000


async def test_each_enters_by_its_share_of_the_equity_and_sells_only_what_it_bought(rig: Rig, run: Run) -> None:
    rig.account.taker_fee = Decimal(0)
    rig.market.candles[BTC] = list(rising())
    price = rig.market.prices[BTC] = rising()[-1].close
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        first, second = (run.cycle(trader, number=number, **TWO) for number in (0, 1))
        await _turn(rig, trader, first)
        await _turn(rig, trader, second)
        held = await _held(rig)
        step = Decimal("0.00001")
        assert abs(held["sma-cross"] - Decimal(100_000) * Decimal("0.25") * Decimal("0.06") / price) < step
        assert abs(held["second"] - Decimal(100_000) * Decimal("0.50") * Decimal("0.04") / price) < step
        rig.market.candles[BTC] = list(falling(first_at=NOW + MINUTE))
        await _turn(rig, trader, second)
        assert await _held(rig) == {"sma-cross": held["sma-cross"]}
    signals = await rig.signals()
    assert [(signal.kind, signal.strategy) for signal in signals] == [
        (Kind.ENTRY, "sma-cross"),
        (Kind.ENTRY, "second"),
        (Kind.EXIT, "second"),
    ]
    assert signals[-1].fraction is not None
    assert abs(signals[-1].fraction - held["second"] / (held["sma-cross"] + held["second"])) < Decimal("1E-6")


async def test_positions_stay_with_their_strategies_over_a_restart(rig: Rig, run: Run) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        for name, size in (("sma-cross", "0.1"), ("second", "0.2")):
            trader.start(BTC, buy(size), name)
            await until(lambda: trader.available(BTC))
    later = await rig.start()
    await later.resume()
    rig.market.candles[BTC] = list(falling())
    async with asyncio.TaskGroup() as tasks:
        trader = later.trader(tasks)
        await _turn(rig, trader, later.cycle(trader, number=0, **TWO))
    assert await _held(rig) == {"second": Decimal("0.2")}


@pytest.mark.parametrize(("names", "owner"), [(["sma-cross", "second"], "second"), (["third"], "third")])
async def test_an_order_whose_record_is_lost_goes_to_the_strategy_that_its_id_names(
    rig: Rig, run: Run, names: Sequence[str], owner: str
) -> None:
    own = replace(run.own(Side.BUY, "0.1"), id=own_id(str(uuid4()), "second"), strategy="second")
    placed = await run.place(own)
    await rig.bus.do("DEL", keys.order(MASTER, own.id))
    run.watcher._strategies = names
    found = await run.watcher._own(await run.venue.order(placed.venue_order_id))
    assert found is not None
    assert (found.strategy, found.record_lost) == (owner, True)


async def test_an_exit_that_comes_while_another_order_is_under_way_is_owed_and_sent_after_it(
    rig: Rig, run: Run
) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader, name = run.trader(tasks), "sma-cross"
        trader.start(BTC, buy("0.1"), name)
        await until(lambda: trader.available(BTC))
        exits = run.exits(trader)
        cycle, watch = run.cycle(trader, exits=exits), run.exit_watch(trader, exits)
        run.venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
        gate = run.venue.hold("replay" if run.venue.replays else "find")
        trader.start(BTC, buy("0.3"), "second")
        rig.market.candles[BTC] = list(falling())
        await cycle.turn()
        await watch.look()
        assert list(exits.owed()) == [(name, BTC)]
        gate.set()
        await until(lambda: trader.available(BTC))
        await watch.look()
        await until(lambda: trader.available(BTC))
    assert await _held(rig) == {"second": Decimal("0.3")}


async def test_what_is_owed_is_forgotten_when_the_next_candle_says_otherwise(rig: Rig, run: Run) -> None:
    await run.trade(buy("0.1"))
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        exits = run.exits(trader)
        exits._owed["sma-cross", BTC] = Exit(BTC, Decimal(1), "below"), btc_price(60_000)
        rig.market.candles[BTC] = list(rising())
        await run.cycle(trader, exits=exits).turn()
        assert not list(exits.owed())


class _Own:
    """A strategy of this test: `decided` is what it returns, or raises."""

    name, needs = "own", 1

    def __init__(self, decided: Any) -> None:
        self.decided = decided

    def decide(self, context: Context) -> Sequence[Intent]:
        if isinstance(self.decided, Exception):
            raise self.decided
        self.seen = context
        return self.decided  # type: ignore[no-any-return]


def _cycle_of(run: Run, trader: Trader, strategy: _Own, **settings: object) -> Cycle:
    cycle = run.cycle(trader, **{"entry_gap_seconds": 0, **settings})  # type: ignore[arg-type]
    cycle._runner._strategy = strategy  # type: ignore[attr-defined]
    return cycle


async def test_a_paused_strategy_decides_nothing_and_its_positions_are_sold_by_their_plans(rig: Rig, run: Run) -> None:
    plan = ExitPlan(Decimal(57_000))
    await run.trade(replace(buy("0.1"), exit_plan=plan))
    strategy = _Own(RuntimeError("a defect"))
    rig.market.candles[BTC] = list(rising())
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            trader = run.trader(tasks)
            cycle = _cycle_of(run, trader, strategy)
            await cycle.turn()
            strategy.decided = [Exit(BTC, Decimal(1), "healthy again")]
            rig.time.now += 60_000
            await cycle.turn()
            assert await _held(rig) == {"sma-cross": Decimal("0.1")}
            await run.records.write_prices(rig.at, [btc_price(56_000)], rig.time.now)
            await run.exit_watch(trader).look()
    assert await _held(rig) == {}
    [fault] = rig.faults.standing
    assert fault.kind is FaultKind.STRATEGY
    assert re.fullmatch(r"paused: RuntimeError: a defect \(test_strategies\.py:[0-9]+\)", fault.reason)
    assert fault.reason in [line.get("does") for line in logs if line["event"] == MASTER_MODE]


async def test_an_intent_that_is_none_pauses_as_well(rig: Rig, run: Run) -> None:
    rig.market.candles[BTC] = list(rising())
    async with asyncio.TaskGroup() as tasks:
        await _cycle_of(run, run.trader(tasks), _Own([Exit(BTC, Decimal(1), "not held")])).turn()
    assert [fault.reason for fault in rig.faults.standing] == [
        "paused: InvalidIntentError: BTC/USD: the strategy does not hold it, and cannot sell it"
    ]


async def test_a_strategy_sees_its_own_holdings_its_share_and_market_time(rig: Rig, run: Run) -> None:
    plan, strategy = ExitPlan(Decimal(1)), _Own([])
    rig.market.candles[BTC] = list(rising())
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        trader.start(BTC, buy("0.2"), "another")
        await until(lambda: trader.available(BTC))
        trader.start(BTC, replace(buy("0.1"), exit_plan=plan, entered_at=NOW), "sma-cross")
        await until(lambda: trader.available(BTC))
        await run.mirror.refresh()
        await _cycle_of(run, trader, strategy, **TWO).turn()
    holding = strategy.seen.holdings[BTC]
    assert (holding.size, holding.opened_at, holding.plan) == (btc("0.1"), NOW, plan)
    assert strategy.seen.now == rising()[-1].opened_at + MINUTE
    assert strategy.seen.equity == run.mirror.worth.scaled(Decimal("0.25"))


async def test_the_caps_know_the_entries_of_before_a_restart(rig: Rig, run: Run) -> None:
    enters = _Own([Enter(BTC, Decimal("0.05"), "up", ExitPlan(Decimal(1)))])
    caps = {"caps": {"entry_gap_seconds": 300}}
    rig.market.candles[BTC] = list(rising())
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        await _turn(rig, trader, _cycle_of(run, trader, enters, **caps))
        trader.start(BTC, replace(buy(str((await _held(rig))["sma-cross"])), side=buy().side.SELL), "sma-cross")
        await until(lambda: BTC not in run.book.under_way)
    later = await rig.start()
    await later.resume()
    assert await _held(rig) == {}
    for minutes, entered in ((4, False), (5, True)):
        rig.market.candles[BTC] = list(rising(first_at=NOW + minutes * MINUTE))
        await later.mirror.refresh()
        async with asyncio.TaskGroup() as tasks:
            trader = later.trader(tasks)
            await _turn(rig, trader, _cycle_of(later, trader, enters, **caps))
        assert bool(await _held(rig)) == entered


async def test_a_history_that_cannot_be_read_counts_as_an_entry_of_now(rig: Rig, run: Run) -> None:
    enters = _Own([Enter(BTC, Decimal("0.05"), "up", ExitPlan(Decimal(1)))])
    await rig.bus.do("HSET", keys.strategy_entries(MASTER, rig.at), "sma-cross", "{")
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        cycle = _cycle_of(run, trader, enters, caps={"entry_gap_seconds": 60})
        for minutes, entered in ((0, False), (1, True)):
            rig.market.candles[BTC] = list(rising(first_at=NOW + minutes * MINUTE))
            await _turn(rig, trader, cycle)
            assert bool(await _held(rig)) == entered


async def test_an_entry_under_way_is_not_entered_again_and_counts_as_a_position(rig: Rig, run: Run) -> None:
    enters = _Own([Enter(BTC, Decimal("0.05"), "up", ExitPlan(Decimal(1)))])
    rig.market.candles[BTC] = list(rising())
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        cycle = _cycle_of(run, trader, enters)
        gate = run.venue.hold("place")
        await cycle.turn()
        assert [(each.symbol, each.share) for each in cycle._pending()] == [(BTC, Decimal("0.05"))]
        rig.market.candles[BTC] = list(rising(first_at=NOW + MINUTE))
        await cycle.turn()
        gate.set()
    assert len(rig.account.orders) == 1
    assert cycle._pending() == []


async def test_symbols_are_read_in_rotating_batches_and_what_is_held_every_time(rig: Rig, run: Run) -> None:
    names = ["ETH/USD", "SOL/USD", "XRP/USD", "BTC/USD"]
    asked: list[list[str]] = []
    settings = StrategySettings.model_validate({"symbols": names, "scan_batch": 2})
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        trader.start(BTC, buy("0.1"), "sma-cross")
        await until(lambda: trader.available(BTC))
        cycle = run.cycle(trader, symbols=names, scan_batch=2)
        for _ in range(3):
            found = await cycle._candles.read(Needs(1, 1), listed=settings.symbols, held=[BTC])
            asked.append([str(symbol) for symbol in found])
    assert asked == [
        ["ETH/USD", "SOL/USD", "BTC/USD"],
        ["XRP/USD", "BTC/USD"],
        ["ETH/USD", "SOL/USD", "BTC/USD"],
    ]


async def test_what_is_held_is_looked_after_with_fewer_candles_than_an_entry_needs(rig: Rig, run: Run) -> None:
    strategy = _Own([])
    rig.market.candles[BTC] = list(rising(5))
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        cycle = _cycle_of(run, trader, strategy)
        cycle._runner.needs = Needs(8, 5)
        await cycle.turn()
        assert not hasattr(strategy, "seen")
        trader.start(BTC, buy("0.1"), "sma-cross")
        await until(lambda: trader.available(BTC))
        await cycle.turn()
    assert len(strategy.seen.candles[BTC]) == 5
