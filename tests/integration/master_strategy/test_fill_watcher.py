"""Fills of anybody's orders become signals; what a user could not follow is passed over, and said."""

from __future__ import annotations

from decimal import Decimal

from structlog.testing import capture_logs

from shared.bus.flow.signals import SignalLog
from shared.bus.state.records import Records
from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.domain.signal import Source
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from tests.integration.master_strategy.rig import Rig, buy, sell
from tests.unit.master_strategy.values import BTC, btc, btc_price, usd


async def test_a_manual_order_on_the_account_is_told_as_the_accounts(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    for _ in range(3):
        await run.watcher.scan()
    [signal] = await rig.signals()
    assert (signal.kind, signal.source, signal.strategy) == (Kind.ENTRY, Source.ACCOUNT, "")
    assert (signal.base_size, signal.position_after) == (btc("0.2"), btc("0.2"))
    assert signal.master_equity == usd("100000")


async def test_an_own_order_that_a_scan_sees_first_is_told_once_and_as_the_strategys(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    await run.watcher.scan()
    await run.emitter.emit_missing(await run.venue.order(own.venue_order_id), own)
    [signal] = await rig.signals()
    assert signal.source is Source.STRATEGY


async def test_partial_closes_carry_the_fraction_of_what_was_left(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"), sell("0.037"), sell("0.063"))
    fractions = [signal.fraction for signal in await rig.signals()]
    assert fractions == [None, Decimal("0.37"), Decimal(1)]
    assert not await Records(rig.bus).positions(MASTER, rig.at)


async def test_an_order_in_another_currency_is_not_told_and_the_log_says_why(rig: Rig) -> None:
    euro = Symbol.parse("BTC/EUR")
    rig.market.instruments[euro] = seed_instruments("kraken")[BTC]
    rig.market.prices[euro] = Decimal(55_000)
    rig.account.balances["EUR"] = Decimal(50_000)
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.1", euro)
    with capture_logs() as logs:
        await run.watcher.scan()
        await run.watcher.scan()
    assert not await rig.signals()
    assert [line["why"] for line in logs if line["event"] == "fill is not told to the users"] == [
        "it is not quoted in USD"
    ]


async def test_a_scan_that_fails_loses_nothing_but_time(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await rig.someone_trades(run, Side.SELL, "0.2")
    run.venue.fail("closed_orders", Unavailable("busy"))
    assert not await run.watcher.scan_or_report()
    rig.time.now += 600_000
    assert await run.watcher.scan_or_report()
    assert [signal.kind for signal in await rig.signals()] == [Kind.EXIT]


async def test_what_the_master_holds_is_published_for_people(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    position = (await Records(rig.bus).positions(MASTER, rig.at))[BTC]
    assert (position.size, position.cost.amount) == (btc("0.1"), Decimal(6_024)), "the fee is a part of the cost"


async def test_what_was_paid_is_published_as_the_price_unless_a_newer_one_is(rig: Rig) -> None:
    """Found by `make day`: the price of a symbol that nobody held was 15 s old when accounts were first valued by it."""
    records = Records(rig.bus)
    run = await rig.start()
    await run.resume()
    await records.write_prices(rig.at, [btc_price("65000")], rig.time.now - 1)
    await run.trade(buy("0.1"))
    [signal] = await rig.signals()
    assert await records.prices_of(rig.at, [BTC]) == {BTC: (signal.price, signal.filled_at)}

    newer = {BTC: (btc_price("59000"), rig.time.now + 1)}
    await records.write_prices(rig.at, [btc_price("59000")], rig.time.now + 1)
    await run.trade(sell("0.1"))
    assert await records.prices_of(rig.at, [BTC]) == newer


async def test_a_cursor_that_a_clock_ahead_has_written_hides_no_exit(rig: Rig) -> None:
    """Case A2: what was sold before that instant comes is found by the next scan, after a restart too."""
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await SignalLog(rig.bus).set_fill_cursor(MASTER, rig.at, rig.time.now + 30_000)
    later = await rig.start()
    await rig.someone_trades(later, Side.SELL, "0.1")
    await later.resume()
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]
