"""Others trade on the master's account while the built-in strategy runs, and what is written of it outlives a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

from services.master_strategy.account.book_loader import open_book
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.unread_rows import UnreadRows
from services.master_strategy.trading.own_order import is_own_id
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import read_entries
from shared.bus.master.master_account import MasterRecords, read_all_uncopied, read_holdings
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedReason
from shared.domain.order import Kind, Side, leg_id, order_id
from shared.domain.signal import Source
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import ONE, Money
from shared.domain.values.symbol import Symbol
from shared.venues.port import OmittedRow, OrderRequest, RowReason
from tests.integration.master_strategy.rig import Rig, Run, buy, sell
from tests.unit.master_strategy.values import BTC, btc, falling, rising

_SCAN = 12_000


async def _settle(run: Run, scans: int = 18) -> None:
    for _ in range(scans):
        run.time.now += _SCAN
        await run.mirror.refresh_if_due()
        await run.watcher.scan()


async def test_the_strategy_sells_only_what_it_bought_itself(rig: Rig) -> None:
    """Case B6."""
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.5")
    await run.watcher.scan()
    await run.trade(buy("0.1"))
    rig.market.candles[BTC] = list(falling())
    run = await rig.start()  # what it bought is not only in memory
    await run.resume()
    async with asyncio.TaskGroup() as tasks:
        await run.cycle(run.trader(tasks)).turn()
    assert [(str(order.size), order.side) for order in run.venue.sent] == [("0.1 BTC", Side.SELL)]
    exit_ = (await rig.signals())[-1]
    assert (exit_.source, exit_.kind) == (Source.STRATEGY, Kind.EXIT)
    assert exit_.fraction == Decimal("0.166666666667")
    assert not run.book.own.held()


async def test_a_strangers_coins_alone_are_never_sold_and_keep_it_from_no_entry(rig: Rig) -> None:
    """Case B6."""
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.5")
    await run.watcher.scan()
    for candles, side in ((falling(), None), (rising(), Side.BUY)):
        rig.market.candles[BTC] = list(candles)
        async with asyncio.TaskGroup() as tasks:
            await run.cycle(run.trader(tasks)).turn()
        assert [order.side for order in run.venue.sent if is_own_id(order.client_order_id)] == ([side] if side else [])


async def test_what_somebody_else_sold_of_the_strategys_coins_is_not_its_any_more(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await _settle(run, 3)
    await rig.someone_trades(run, Side.SELL, "0.06")
    await _settle(run)
    assert run.book.own.position("sma-cross", BTC).size.amount == Decimal("0.04")


async def test_a_flat_account_is_told_once_across_a_restart(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await _settle(run, 3)
    rig.account.move("BTC", Decimal("-0.2"))
    await _settle(run)
    for _ in range(2):
        run = await rig.start()
        await run.resume()
        await _settle(run)
    assert [(signal.kind, signal.fraction) for signal in await rig.signals()] == [(Kind.ENTRY, None), (Kind.EXIT, ONE)]
    assert not await Records(rig.bus).positions(MASTER, rig.at)


async def test_a_conversion_of_dollars_is_no_trade_and_costs_no_equity(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await _settle(run, 3)
    before = run.mirror.equity
    rig.account.move("USD", Decimal(-5_000))
    rig.account.move("USDC", Decimal(5_000))
    rig.account.move("USD", Decimal(1_000))  # and a deposit
    await _settle(run)
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY]
    assert before is not None
    assert run.mirror.equity == before + Money(Decimal(1_000), "USD")
    assert not rig.faults.standing


async def test_a_purchase_for_usdc_is_held_but_not_copied_and_a_sale_for_usdc_is_an_exit(rig: Rig) -> None:
    """Case B2: the account is copied in one currency, whose orders alone are entries; a sale is an exit, whatever was paid."""
    pair = Symbol.parse("BTC/USDC")
    rig.market.instruments[pair] = replace(rig.market.instruments[BTC], symbol=pair)
    rig.market.prices[pair] = Decimal(60_000)
    rig.account.balances["USDC"] = Decimal(20_000)
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await run.watcher.scan()
    await rig.someone_trades(run, Side.BUY, "0.2", pair)
    await run.watcher.scan()
    assert [row.reason for row in (await read_all_uncopied(rig.bus, rig.at)).values()] == [UncopiedReason.ANOTHER_QUOTE]
    await rig.someone_trades(run, Side.SELL, "0.2", pair)
    await run.watcher.scan()
    assert [(each.symbol, each.kind, each.fraction) for each in await rig.signals()] == [
        (BTC, Kind.ENTRY, None),
        (BTC, Kind.EXIT, Decimal("0.5")),
    ]


async def test_what_was_passed_over_stays_so_and_in_the_position_after_a_restart(rig: Rig) -> None:
    """Case B5."""
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.3")
    await run.watcher.scan()
    await rig.someone_trades(run, Side.BUY, "0.3")
    run.time.now += 100_000
    await run.watcher.scan()
    for _ in range(2):
        run = await rig.start()
        await run.resume()
    assert run.book.size_of("BTC") == btc("0.6")
    (row,) = (await read_all_uncopied(rig.bus, rig.at)).values()
    assert (row.reason, row.size) == (UncopiedReason.TOO_LATE, btc("0.3"))
    await rig.someone_trades(run, Side.SELL, "0.3")
    await run.watcher.scan()
    assert (await rig.signals())[-1].fraction == Decimal("0.5")


async def test_a_coin_paid_for_with_another_coin_is_an_exit_of_that(rig: Rig) -> None:
    """A sibling of case B2: who buys ether with bitcoin has sold bitcoin."""
    pair = Symbol.parse("ETH/BTC")
    ether = seed_instruments("kraken")[Symbol.parse("ETH/USD")]
    rig.market.instruments[pair] = replace(ether, symbol=pair, min_cost=Decimal("0.00002"))
    rig.market.prices[pair] = Decimal("0.05")
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await run.watcher.scan()
    await rig.someone_trades(run, Side.BUY, "1", pair)
    for _ in range(2):
        await run.watcher.scan()
    exit_ = (await rig.signals())[-1]
    assert (exit_.symbol, exit_.kind, exit_.fraction) == (BTC, Kind.EXIT, Decimal("0.251"))  # with the fee of 0.4 %
    assert run.book.size_of("ETH").amount == 1
    assert len(await rig.signals()) == 2


async def _copy(rig: Rig, run: Run, client_order_id: str) -> None:
    request = OrderRequest(client_order_id, BTC, Side.BUY, btc("0.05"), None, rig.time.now + 60_000)
    await run.venue.place(request, run.begin)


async def test_a_users_copy_on_the_masters_account_halts_the_user_and_is_no_signal(rig: Rig) -> None:
    """Case C1."""
    run = await rig.start()
    await run.resume()
    await rig.bus.do("XADD", keys.orders("alice"), "*", "v", "1")  # a user that Redis knows
    await rig.someone_trades(run, Side.BUY, "0.1")
    await run.watcher.scan()
    (signal,) = await rig.signals()
    copy = order_id(signal.id, "alice", rig.at)
    await rig.bus.do("HSET", keys.order("alice", copy), "state", "sending")
    await _copy(rig, run, copy)
    for _ in range(2):
        await run.watcher.scan()
    assert len(await rig.signals()) == 1
    switch = pairs(await rig.bus.do("HGETALL", keys.control("alice")))
    assert (switch["mode"], switch["reason"], switch["by"]) == (
        "halt",
        "this key opens the master's own account",
        "master-strategy",
    )
    log = read_entries(keys.CONTROL_LOG, await rig.bus.do("XRANGE", keys.CONTROL_LOG, "-", "+"))
    assert [entry.fields["of"] for entry in log] == ["alice"]
    assert [fault.kind for fault in rig.faults.standing] == [FaultKind.KEY]
    assert run.book.size_of("BTC") == btc("0.1")

    await rig.bus.do("HSET", keys.control("alice"), "mode", "run")
    await run.watcher.scan()
    assert not rig.faults.standing


async def test_a_copy_is_known_without_its_record_and_as_a_later_leg(rig: Rig) -> None:
    """Case C1, after Redis has lost the record."""
    run = await rig.start()
    await run.resume()
    await rig.bus.do("XADD", keys.orders("alice"), "*", "v", "1")
    await run.trade(buy("0.1"), sell("0.05"))
    entry, exit_ = await rig.signals()
    await _copy(rig, run, order_id(entry.id, "alice", rig.at))
    await _copy(rig, run, leg_id(order_id(exit_.id, "alice", rig.at), 3))
    await run.watcher.scan()
    assert len(await rig.signals()) == 2


async def test_ids_of_other_programs_are_signals(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await rig.bus.do("XADD", keys.orders("alice"), "*", "v", "1")
    for client_id in (str(uuid4()), "a bot's own id"):
        await _copy(rig, run, client_id)
    await run.watcher.scan()
    assert len(await rig.signals()) == 2


async def test_a_position_of_the_master_that_cannot_be_read_is_reported_and_the_others_are(rig: Rig) -> None:
    """A sibling of case E4."""
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await rig.bus.do("HSET", keys.positions(MASTER, rig.at), "ETH/USD", "{damaged")
    run = await rig.start()
    await run.resume()
    assert run.book.size_of("BTC") == btc("0.1")
    assert [fault.kind for fault in rig.faults.standing] == [FaultKind.RECORD]


async def test_an_own_order_whose_record_cannot_be_read_stops_no_scan(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    await rig.bus.do("HDEL", keys.order(MASTER, own.id), "symbol")
    await rig.someone_trades(run, Side.BUY, "0.2")
    await run.watcher.scan()
    assert len(await rig.signals()) == 2
    assert [fault.kind for fault in rig.faults.standing] == [FaultKind.RECORD]


async def test_an_own_order_that_redis_has_forgotten_is_still_the_strategys(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    await rig.bus.do("DEL", keys.order(MASTER, own.id))
    await run.watcher.scan()
    (signal,) = await rig.signals()
    assert (signal.source, signal.strategy) == (Source.STRATEGY, "sma-cross")
    run = await rig.start()
    assert run.book.own.position("sma-cross", BTC).size == btc("0.1")


async def test_an_own_order_that_is_forgotten_and_too_old_to_be_copied_is_still_the_strategys(rig: Rig) -> None:
    """Or it would buy for the same candle again, and never sell the first."""
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    await rig.bus.do("DEL", keys.order(MASTER, own.id))
    run.time.now += 31_000
    for _ in range(2):
        await run.watcher.scan()
        assert await rig.signals() == []
        assert run.book.own.position("sma-cross", BTC).size == btc("0.1")
        run = await rig.start()


async def test_what_the_account_holds_is_published_with_what_stands_apart(rig: Rig) -> None:
    rig.account.balances["BTC"] = Decimal("0.5")
    run = await rig.start()
    await run.resume()
    await rig.someone_trades(run, Side.BUY, "0.2")
    await _settle(run, 4)
    held = (await read_holdings(rig.bus, rig.at))["BTC"]
    assert (held.total, held.apart) == (btc("0.7"), btc("0.5"))


async def test_a_stopped_users_fault_is_over_with_their_halt_in_whichever_session(rig: Rig) -> None:
    """Case C1: the session that reported it may be over before an operator puts the key right."""
    run = await rig.start()
    former = OwnCopies(rig.bus, rig.at, rig.time.clock(), rig.faults)
    await former.stop("alice", "an order")
    later = OwnCopies(rig.bus, rig.at, rig.time.clock(), rig.faults)
    await later.look_again()
    assert [each.subject for each in rig.faults.standing if each.kind is FaultKind.KEY] == ["alice"]
    await rig.bus.do("HSET", keys.control("alice"), "mode", "run")
    await later.look_again()
    assert [each for each in rig.faults.standing if each.kind is FaultKind.KEY] == []
    assert run.lease.remaining > 0


async def test_a_row_that_a_later_session_can_read_is_reported_no_more() -> None:
    faults = Faults()
    row = OmittedRow("O1", RowReason.UNKNOWN_PAIR, "the venue lists no NEWUSD")
    UnreadRows(faults, "kraken").take([row, replace(row, row_id="O2")], 0)
    UnreadRows(faults, "kraken").take([row], 1)
    assert [each.subject for each in faults.standing] == ["kraken O1"]


async def test_an_order_whose_sums_may_still_rise_waits_without_a_report_and_is_reported_if_that_lasts() -> None:
    faults = Faults()
    rows, row = UnreadRows(faults, "coinbase"), OmittedRow("O1", RowReason.UNSETTLED, "its sums may rise", at=900)
    rows.take([row], 1_000)
    assert (rows.waiting, rows.since(5_000), [*faults.standing]) == (True, 900, [])
    rows.take([], 4_000)
    assert not rows.waiting
    rows.take([row], 5_000)
    rows.take([row], 70_000)
    assert [each.subject for each in faults.standing] == ["coinbase O1"]


async def test_a_session_clears_no_row_of_another_venue() -> None:
    faults = Faults()
    row = OmittedRow("O1", RowReason.UNKNOWN_PAIR, "the venue lists no NEWUSD")
    UnreadRows(faults, "kraken").take([row], 0)
    UnreadRows(faults, "coinbase").take([], 1)
    assert [each.subject for each in faults.standing] == ["kraken O1"]


async def test_a_position_that_a_later_session_can_read_is_reported_no_more(rig: Rig) -> None:
    run = await rig.start()
    master = MasterRecords(rig.bus, run.lease, rig.at)
    key = keys.positions(MASTER, rig.at)
    await rig.bus.do("HSET", key, "BTC/USD", "no record")
    faults = Faults()
    for standing in (1, 1, 0):
        if not standing:
            await rig.bus.do("HDEL", key, "BTC/USD")
        await open_book(master, SignalLog(rig.bus), rig.at, faults=faults, now=rig.time.now)
        assert len([each for each in faults.standing if each.kind is FaultKind.RECORD]) == standing
