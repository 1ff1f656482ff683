"""A turn acts once per committed candle, and holds where data is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from services.master_strategy.trading.modes import MASTER_MODE
from shared.domain.order import Kind
from shared.venues.errors import Unavailable
from shared.venues.port import Candle
from tests.integration.master_strategy.rig import Rig, Run, buy, until
from tests.unit.master_strategy.values import BTC, MINUTE, NOW, btc, falling, rising


@pytest.fixture
async def run(rig: Rig) -> Run:
    started = await rig.start()
    await started.resume()
    return started


async def _turns(rig: Rig, run: Run, *seen: Sequence[Candle]) -> list[str]:
    """Turn once for each market, let its orders end, and give what the cycle warned of."""
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            trader = run.trader(tasks)
            cycle = run.cycle(trader)
            for candles in seen:
                rig.market.candles[BTC] = list(candles)
                await cycle.turn()
                await until(lambda: trader.available(BTC))
                rig.time.now += 20_000
    return [line["does"] for line in logs if line["event"] == MASTER_MODE and line["log_level"] == "warning"]


async def test_a_trend_is_entered_and_left_with_one_signal_each(rig: Rig, run: Run) -> None:
    await _turns(rig, run, rising(), falling(first_at=NOW + MINUTE))
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]
    assert not run.book.held()


async def test_a_candle_is_acted_upon_once(rig: Rig, run: Run) -> None:
    await run.trade(buy("0.1"))
    await _turns(rig, run, falling(), rising(), rising())
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]


async def test_entries_keep_their_distance(rig: Rig, run: Run) -> None:
    async with asyncio.TaskGroup() as tasks:
        trader = run.trader(tasks)
        cycle = run.cycle(trader, entry_gap_seconds=60)
        for minute, market in enumerate([rising(), falling(first_at=NOW + MINUTE), rising(first_at=NOW + 2 * MINUTE)]):
            rig.market.candles[BTC] = list(market)
            await cycle.turn()
            await until(lambda: trader.available(BTC))
            rig.time.now += 1_000 * minute
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([], "holding: candles missing: the venue gave none"),
        (falling(5), "holding: candles missing: 5 of 8"),
        ([*falling(4), *falling(4, first_at=NOW + 9 * MINUTE)], "holding: candles missing: a gap among the last 8"),
    ],
    ids=["none", "short", "torn"],
)
async def test_candles_missing(rig: Rig, run: Run, seen: Sequence[Candle], says: str) -> None:
    """candles_missing: hold and say so; never sell because data is missing."""
    await run.trade(buy("0.1"))
    assert await _turns(rig, run, seen, seen, seen) == [says]
    assert run.book.position(BTC).size == btc("0.1")
    assert len(rig.account.orders) == 1


async def test_a_venue_that_gives_no_candles_is_a_reason_to_hold(rig: Rig, run: Run) -> None:
    await run.trade(buy("0.1"))
    run.venue.fail("candles", Unavailable("EService:Busy"), times=2)
    assert await _turns(rig, run, falling(), falling()) == ["holding: candles missing: EService:Busy"]
    assert len(rig.account.orders) == 1


async def test_live_the_next_candle_is_waited_for_and_on_paper_the_set_interval(rig: Rig, run: Run) -> None:
    rig.market.candles[BTC] = list(falling(first_at=NOW - 8 * MINUTE - 30_000))
    async with asyncio.TaskGroup() as tasks:
        live, paper = run.cycle(run.trader(tasks), live=True), run.cycle(run.trader(tasks))
        await live.turn()
        await paper.turn()
        assert (live.pause(), paper.pause()) == (31.0, 1.0)


async def test_old_equity_stops_entries_and_not_exits(rig: Rig, run: Run) -> None:
    rig.time.now += 91_000
    said = await _turns(rig, run, rising())
    assert said == ["no order: the master's equity is not fully known: it has not been read for 90 s"]
    await run.trade(buy("0.1"))
    rig.time.now += 91_000
    await _turns(rig, run, falling(first_at=NOW + MINUTE))
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]
