"""No entry is decided in the first 6 s of a candle, by the venue's clock; exits are, and no decision is lost by the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.trader import Trader
from shared.domain.order import Kind
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.port import Context, Enter, Exit, Intent
from tests.integration.master_strategy.rig import Rig, Run, buy, until
from tests.unit.master_strategy.values import BTC, ETH, MINUTE, rising

WAIT: dict[str, Any] = {"caps": {"settle_seconds": 6}, "entry_gap_seconds": 0}


class _Own:
    """Sells what it holds and buys what it does not, at each candle; `takes` ms of the clock pass while it decides."""

    name, needs = "own", 1

    def __init__(self, rig: Rig, takes: int = 0) -> None:
        self._rig, self._takes = rig, takes
        self.seen: list[list[Symbol]] = []

    def decide(self, context: Context) -> Sequence[Intent]:
        self.seen.append(list(context.candles))
        self._rig.time.now += self._takes
        return [
            Exit(symbol, Decimal(1), "held")
            if symbol in context.holdings
            else Enter(symbol, Decimal("0.05"), "not held", ExitPlan(Decimal(1)))
            for symbol in context.candles
        ]


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


def _cycle(run: Run, trader: Trader, strategy: _Own, *, live: bool = True, **settings: Any) -> Cycle:
    cycle = run.cycle(trader, live=live, **{**WAIT, **settings})
    cycle._runner._strategy = strategy  # type: ignore[attr-defined]
    return cycle


def _begin_candle(rig: Rig, into: int, *symbols: Symbol) -> None:
    """Set the clock into a minute by so many ms, and have the venue list the one that has ended."""
    start = rig.time.now - rig.time.now % MINUTE
    rig.time.now = start + into
    for symbol in symbols or (BTC,):
        rig.market.candles[symbol] = list(rising(first_at=start - 8 * MINUTE))


@pytest.mark.parametrize(("into", "entered"), [(0, 0), (5_999, 0), (6_000, 1), (MINUTE - 1, 1)])
async def test_live_an_entry_is_decided_from_the_sixth_second_on(rig: Rig, run: Run, into: int, entered: int) -> None:
    _begin_candle(rig, into)
    async with asyncio.TaskGroup() as tasks:
        await _cycle(run, run.trader(tasks), _Own(rig)).turn()
    assert len(rig.account.orders) == entered


async def test_live_the_turn_after_the_wait_comes_right_at_its_end_and_enters(rig: Rig, run: Run) -> None:
    _begin_candle(rig, 1_000)
    async with asyncio.TaskGroup() as tasks:
        cycle = _cycle(run, run.trader(tasks), strategy := _Own(rig))
        await cycle.turn()
        assert cycle.pause() == 5.0
        rig.time.now += 5_000
        await cycle.turn()
    assert len(rig.account.orders) == 1
    assert strategy.seen == [[BTC]]


async def test_live_a_venue_whose_clock_may_be_behind_is_waited_for(rig: Rig, run: Run) -> None:
    rig.time.uncertainty = 400
    _begin_candle(rig, 6_399)
    async with asyncio.TaskGroup() as tasks:
        cycle = _cycle(run, run.trader(tasks), _Own(rig))
        await cycle.turn()
        assert not rig.account.orders
        rig.time.now += 1
        await cycle.turn()
    assert len(rig.account.orders) == 1


async def test_an_exit_does_not_wait(rig: Rig, run: Run) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        trader.start(BTC, buy("0.1"), "sma-cross")
        await until(lambda: trader.available(BTC))
        cycle = _cycle(run, trader, strategy := _Own(rig), symbols=["BTC/USD", "ETH/USD"])
        _begin_candle(rig, 1_000, BTC, ETH)
        await cycle.turn()
        await until(lambda: BTC not in run.book.under_way)
        rig.time.now += 5_000
        await cycle.turn()
    assert [signal.kind for signal in await rig.signals()][:2] == [Kind.ENTRY, Kind.EXIT]
    assert strategy.seen == [[BTC], [ETH]], "what was sold is not entered again by the same candle"


async def test_an_entry_whose_decision_lasts_into_the_next_candle_is_not_sent(rig: Rig, run: Run) -> None:
    _begin_candle(rig, MINUTE - 10)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            await _cycle(run, run.trader(tasks), _Own(rig, takes=10)).turn()
    assert not rig.account.orders
    assert [line["does"] for line in logs if "new candle" in line.get("does", "")] == [
        "no entry: a new candle has begun meanwhile"
    ]


async def test_on_paper_an_entry_waits_for_market_time_at_the_pace_of_the_candles(rig: Rig, run: Run) -> None:
    """At 60 times real speed the 6 s of a one-minute candle are 100 ms of the clock."""
    async with asyncio.TaskGroup() as tasks:
        cycle = _cycle(run, run.trader(tasks), strategy := _Own(rig), live=False)
        for number in range(2):
            rig.market.candles[BTC] = list(rising(first_at=number * MINUTE))
            await cycle.turn()
            rig.time.now += 1_000
        rig.market.candles[BTC] = list(rising(first_at=2 * MINUTE))
        await cycle.turn()
        assert strategy.seen == []
        assert cycle.pause() == 0.1
        rig.time.now += 99
        await cycle.turn()
        assert strategy.seen == []
        rig.time.now += 1
        await cycle.turn()
    assert strategy.seen == [[BTC]]
    assert len(rig.account.orders) == 1


@pytest.mark.parametrize("live", [True, False])
async def test_a_batch_that_was_read_too_early_is_the_next_one_again(rig: Rig, run: Run, *, live: bool) -> None:
    """Otherwise a batch whose turn is always a candle's first would never be decided about."""
    _begin_candle(rig, 1_000 if live else 30_000, BTC, ETH)
    async with asyncio.TaskGroup() as tasks:
        symbols = {"symbols": ["BTC/USD", "ETH/USD"], "scan_batch": 1}
        cycle = _cycle(run, run.trader(tasks), strategy := _Own(rig), live=live, **symbols)
        for _ in range(2):
            await cycle.turn()
            rig.time.now += 10_000
        assert strategy.seen == [[BTC]]
        await cycle.turn()
    assert strategy.seen == [[BTC], [ETH]]
