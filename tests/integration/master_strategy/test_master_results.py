"""The master's sums are a fold over its signals that no crash disturbs, and its equity is sampled each minute."""

from __future__ import annotations

from decimal import Decimal

from services.master_strategy.account.master_results import MasterResults
from shared.contracts import keys
from shared.contracts.trade_totals import CURSOR
from shared.domain.account import MASTER
from shared.domain.order import Side
from shared.ledger.performance.equity import read_curve
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import SymbolResult
from tests.integration.master_strategy.rig import Rig, Run

SIZES = ((Side.BUY, "0.1"), (Side.BUY, "0.03"), (Side.SELL, "0.05"), (Side.SELL, "0.02"))


def _results(rig: Rig, run: Run) -> MasterResults:
    return MasterResults(rig.bus, run.store, rig.at, rig.time.clock(), "USD")


async def _result(rig: Rig) -> SymbolResult:
    (found,) = await read_results(rig.bus, [MASTER], [rig.at])
    (each,) = found.symbols
    return each


async def test_the_sums_equal_the_balances_of_the_master(rig: Rig) -> None:
    start = rig.account.balances["USD"]
    run = await rig.start()
    await run.resume()
    results = _results(rig, run)
    for side, size in SIZES:
        await rig.someone_trades(run, side, size)
        assert await run.watcher.scan_or_report()
        await results.add_signals()
        each = await _result(rig)
        assert each.totals.cash_flow.amount == rig.account.balances["USD"] - start
        assert each.totals.expected_size == each.held.size
        assert each.adjusted[1].amount == 0, "the fees are in the position's cost too"
    assert each.totals.trades == len(SIZES)
    assert each.totals.fees.amount > 0


async def test_a_new_process_goes_on_from_the_last_signal(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    for number, (side, size) in enumerate(SIZES):
        await rig.someone_trades(run, side, size)
        assert await run.watcher.scan_or_report()
        await _results(rig, run).add_signals()
        await _results(rig, run).add_signals()
        assert (await _result(rig)).totals.trades == number + 1, "each signal counts once"
    before = await _result(rig)
    await rig.bus.do("DEL", keys.totals(MASTER, rig.at))
    await _results(rig, run).add_signals()
    assert (await _result(rig)).totals == before.totals, "summed up again from the signals"
    assert await rig.bus.do("HGET", keys.totals(MASTER, rig.at), CURSOR)


async def test_the_equity_is_sampled_once_a_minute(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    results = _results(rig, run)
    await rig.someone_trades(run, Side.BUY, "0.1")
    assert await run.watcher.scan_or_report()
    await results.add_signals()
    for _ in range(3):
        await run.mirror.refresh()
        await results.sample()
        await results.sample()
        rig.time.now += 60_000
    found = await read_curve(rig.bus, MASTER, rig.at)
    assert found[0].sample.equity is not None
    assert found[0].sample.pnl == Decimal(-24), "the fee of the purchase"
    assert len({point.start for point in found}) == len(found)


async def test_an_account_that_was_not_read_lately_has_no_sample(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    rig.time.now += 3_600_000
    await _results(rig, run).sample()
    assert await read_curve(rig.bus, MASTER, rig.at) == []
