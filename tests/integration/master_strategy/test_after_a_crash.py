"""Whatever moment the master dies at, each fill is told exactly once, entries only while fresh, exits always."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import Kind, OrderState, Side
from shared.domain.signal import Source
from shared.venues.port import Outgoing, VenueOrderStatus
from tests.integration.master_strategy.rig import Rig, buy, sell
from tests.unit.master_strategy.values import BTC, btc, btc_price, usd


async def test_a_crash_between_fill_and_signal_gives_exactly_one_signal_after_the_restart(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    assert not await rig.signals()

    for _ in range(2):
        await (await rig.start()).resume()
    [signal] = await rig.signals()
    assert (signal.kind, signal.source, signal.strategy) == (Kind.ENTRY, Source.STRATEGY, "sma-cross")
    assert signal.base_size == btc("0.1")
    [report] = await rig.reports()
    assert (report.order_id, report.outcome, report.signal_id) == (own.id, OrderState.FILLED, signal.id)
    assert len(rig.account.orders) == 1


async def test_a_crash_between_signal_and_settlement_gives_no_second_signal(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    await run.emitter.emit_missing(await run.venue.order(own.venue_order_id), own)

    for _ in range(2):
        run = await rig.start()
        await run.resume()
        assert run.book.own.position("sma-cross", BTC).size == btc("0.1"), "the strategy holds what it bought once"
    assert len(await rig.signals()) == 1
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED]


async def test_what_the_strategy_no_longer_holds_does_not_come_back_with_a_restart(rig: Rig) -> None:
    run = await rig.start()
    await run.trade(buy("0.1"))
    assert run.book.own.position("sma-cross", BTC).size == btc("0.1")
    await run.trade(sell("0.1"))
    await rig.someone_trades(run, Side.BUY, "0.3")

    run = await rig.start()
    await run.resume()
    assert run.book.own.position("sma-cross", BTC).size == btc("0"), (
        "what somebody else bought is not the strategy's to sell"
    )


async def test_a_master_that_never_recorded_its_own_positions_takes_them_from_its_reports(rig: Rig) -> None:
    run = await rig.start()
    await run.trade(buy("0.1"), sell("0.04"))
    await rig.bus.do("DEL", keys.strategy(MASTER, rig.at))
    assert (await rig.start()).book.own.position("sma-cross", BTC).size == btc("0.06")


async def test_a_crash_between_write_ahead_and_send_ends_the_order_as_failed_and_sends_nothing(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = run.own(Side.BUY, "0.1")
    deadline_at = rig.time.now + 5_000
    await run.write_ahead(own, Outgoing(deadline_at))

    await (await rig.start()).resume()
    assert not rig.account.orders
    assert (await rig.record(own.id))["state"] == "failed"
    assert not await rig.signals()
    assert rig.time.now > deadline_at + 3_000


async def test_an_entry_found_too_late_is_not_told_but_held_and_sold_one_day(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.place(run.own(Side.BUY, "0.1"))

    rig.time.now += 31_000
    for _ in range(2):
        run = await rig.start()
        await run.resume()
        assert not await rig.signals()
        assert run.book.position(BTC).size == btc("0.1")
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED]


async def test_of_an_entry_that_was_told_in_part_only_the_rest_comes_too_late(rig: Rig) -> None:
    rig.account.rests = True
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    part = rig.account.finish(own.venue_order_id, Decimal("0.4"), btc_price(60_000), btc("0.1"), rig.time.now)
    await run.emitter.emit_missing(replace(part, status=VenueOrderStatus.OPEN, closed_at=None), own)

    rig.time.now += 31_000
    rig.account.finish(own.venue_order_id, Decimal(1), btc_price(60_000), btc("0.1"), rig.time.now - 31_000)
    run = await rig.start()
    await run.resume()
    assert [signal.base_size for signal in await rig.signals()] == [btc("0.04")]
    assert run.book.position(BTC).size == btc("0.1")
    assert run.book.position(BTC).cost == usd("6024"), "the fees of both parts are in it"


async def test_an_exit_found_late_is_told_however_late_it_is(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await run.place(run.own(Side.SELL, "0.1"))

    rig.time.now += 3_600_000
    run = await rig.start()
    await run.resume()
    entry, close = await rig.signals()
    assert (entry.kind, close.kind, close.fraction) == (Kind.ENTRY, Kind.EXIT, Decimal(1))
    assert not run.book.held()


async def test_a_persons_exit_while_nobody_watched_is_told_at_the_next_start(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await rig.someone_trades(run, Side.SELL, "0.04")

    rig.time.now += 3_600_000
    await (await rig.start()).resume()
    close = (await rig.signals())[-1]
    assert (close.source, close.fraction, close.position_after) == (Source.ACCOUNT, Decimal("0.4"), btc("0.06"))


async def test_the_history_of_an_old_account_is_not_copied(rig: Rig) -> None:
    run = await rig.start()
    await rig.someone_trades(run, Side.BUY, "0.5")
    await rig.someone_trades(run, Side.SELL, "0.5")
    rig.time.now += 1_000
    for _ in range(2):
        await (await rig.start()).resume()
    assert not await rig.signals()


async def test_an_exit_between_the_first_start_and_the_first_signal_survives_a_restart(rig: Rig) -> None:
    run = await rig.start()
    await rig.someone_trades(run, Side.BUY, "0.5")
    rig.time.now += 1_000
    await run.resume()
    rig.time.now += 10_000
    await rig.someone_trades(run, Side.SELL, "0.5")
    rig.time.now += 600_000
    await (await rig.start()).resume()
    [close] = await rig.signals()
    assert (close.kind, close.fraction) == (Kind.EXIT, Decimal(1))


async def test_the_position_survives_the_loss_of_its_view(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    await run.trade(buy("0.1"))
    await rig.bus.do("DEL", keys.positions(MASTER, rig.at))
    assert (await rig.start()).book.position(BTC).size == btc("0.1")


async def _resumed(rig: Rig) -> list[OrderState]:
    """Start again and follow what was left; return the outcomes reported."""
    await (await rig.start()).resume()
    return [report.outcome for report in await rig.reports()]


async def test_an_order_that_was_proved_unsent_right_before_the_crash_is_failed_and_not_sent(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    own = run.own(Side.BUY, "0.1")
    await run.write_ahead(own, Outgoing(rig.time.now + 5_000))
    await run.store.move(own.id, OrderState.PLANNED, {"reason": "EService:Unavailable"})
    asked = rig.time.now
    assert await _resumed(rig) == [OrderState.FAILED]
    assert (rig.account.orders, (await rig.record(own.id))["state"]) == ([], "failed")
    assert rig.time.now == asked, "there is nothing to wait for"


_OF_AN_OLDER_VERSION = (
    "client_order_id",
    "leg",
    "target",
    "plan",
    "signal_id",
    "entry_id",
    "venue_order_id",
    "accepted_at",
)


@pytest.mark.parametrize(
    ("state", "arrived", "outcome"),
    [
        (OrderState.UNKNOWN, True, OrderState.FILLED),
        (OrderState.UNKNOWN, False, OrderState.FAILED),
        (OrderState.ACCEPTED, True, OrderState.FILLED),
    ],
)
async def test_a_record_of_an_older_version_is_resolved_by_its_id(
    rig: Rig, state: OrderState, arrived: bool, outcome: OrderState
) -> None:
    """Such a record names neither leg nor client order id: the order had one leg, under its own id."""
    run = await rig.start()
    await run.resume()
    own = run.own(Side.BUY, "0.1")
    if arrived:
        name = (await run.place(own)).venue_order_id
    else:
        await run.write_ahead(own, Outgoing(rig.time.now + 5_000))
    fields = {"venue_order_id": name, "accepted_at": str(rig.time.now)} if state is OrderState.ACCEPTED else {}
    await run.store.move(own.id, state, {"why": "time-out", "reason": "SMA3 above", **fields})
    key, kept = keys.order(MASTER, own.id), set(fields)
    await rig.bus.do("HDEL", key, *(name for name in _OF_AN_OLDER_VERSION if name not in kept))
    assert await _resumed(rig) == [outcome]
    assert len(rig.account.orders) == arrived
    assert len(await rig.signals()) == arrived


async def test_an_order_that_has_ended_by_the_time_it_is_followed_is_left_as_it_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await rig.start()
    await run.resume()
    own = await run.place(run.own(Side.BUY, "0.1"))
    run = await rig.start()
    load = run.store.load
    loads: list[str] = []

    async def ended_since(order_id: str) -> Mapping[str, str]:
        if loads:  # the first one finds it among the unfinished
            await rig.bus.do("HSET", keys.order(MASTER, order_id), "state", "filled")
        loads.append(order_id)
        return await load(order_id)

    monkeypatch.setattr(run.store, "load", ended_since)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            trader = run.trader(tasks)
            await trader.follow_unfinished()
    assert trader.available(BTC), "the symbol rests after an order that failed, and this one did not"
    assert await rig.reports() == []
    assert own.id in {line["order_id"] for line in logs if line["event"] == "order of an earlier run had ended"}
    assert not [line for line in logs if line["event"] == "order not sent"]
