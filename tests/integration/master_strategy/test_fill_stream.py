"""Fills that the private stream shows: a signal at once, and once, whatever the scans see of them too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import pytest

from services.master_strategy.fills.fill_stream import MORE_FILLS, FillStream
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind
from shared.domain.order import Kind, Side
from shared.domain.signal import Source
from shared.venues.errors import Unavailable
from shared.venues.fake_stream import FakeStream
from shared.venues.port import OrderRequest, VenueOrder, VenueOrderStatus
from shared.venues.stream import ConnectPermit, FundsKind, FundsMoved, OrderSeen, StreamReader, StreamRefused
from tests.integration.master_strategy.rig import Rig, Run, buy, until
from tests.unit.master_strategy.values import BTC, btc, btc_price

BURST = 60.0
"""Seconds of polling after a comparison."""


@dataclass
class Told:
    """A reader whose emitting loop runs, and the run that it belongs to."""

    run: Run
    reader: FillStream

    def see(self, order: VenueOrder, *, whole: bool = True) -> None:
        """Have the stream show an order as the venue has it now."""
        at = self.run.time.now if order.filled.amount > 0 else None
        self.reader.order_seen(OrderSeen(order, whole, at))


@asynccontextmanager
async def streamed(run: Run) -> AsyncIterator[Told]:
    """Compare as a connect does, then emit what is shown, until the block ends."""
    reader = run.fill_stream()
    await reader.resumed("connected")
    loops = [asyncio.create_task(reader.emit()), asyncio.create_task(reader.clear_up())]
    try:
        yield Told(run, reader)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def _signals(rig: Rig, count: int) -> list[str]:
    """Wait for as many signals; answers kind and size of all."""
    async with asyncio.timeout(60):
        while len(found := await rig.signals()) < count:  # noqa: ASYNC110  # another process would poll Redis as well
            await asyncio.sleep(0.005)
    return [f"{each.kind} {each.base_size}" for each in found]


async def _rest(run: Run, side: Side, size: str) -> str:
    """Leave an order of a person open; answers its id."""
    run.venue.account.rests = True
    name = "" if not run.venue.replays else f"{side}-{size}-{len(run.venue.account.orders)}"
    request = OrderRequest(name, BTC, side, btc(size), None, run.time.now + 60_000)
    accepted = await run.venue.place(request, run.begin)
    run.venue.account.rests = False
    return accepted.venue_order_id


async def test_stream_and_scan_tell_a_fill_once(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        await rig.someone_trades(run, Side.BUY, "0.2")
        (order,) = rig.account.orders
        scans = run.venue.calls["closed_orders"]
        for _ in range(3):
            told.see(order)
        assert await _signals(rig, 1) == ["entry 0.2 BTC"]
        assert run.venue.calls["closed_orders"] == scans, "no list was read"
        await run.watcher.scan()
        told.see(order)
        await run.watcher.scan()
    (signal,) = await rig.signals()
    assert (signal.source, signal.filled_at) == (Source.ACCOUNT, order.closed_at)
    later = await rig.start()
    await later.resume()
    async with streamed(later) as told:
        told.see(order)
        await later.watcher.scan()
    assert len(await rig.signals()) == 1


async def test_an_order_that_is_filling_is_a_signal_with_what_it_has_and_then_with_the_rest(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        told.see(rig.account.fill_part(order_id, btc("0.2"), btc_price(60_000)))
        await asyncio.sleep(0)  # the emitting loop has seen it, and waits
        await asyncio.sleep(0.01)
        told.see(rig.account.fill_part(order_id, btc("0.1"), btc_price(60_100)))
        assert await _signals(rig, 1) == ["entry 0.3 BTC"]
        rig.account.fill_part(order_id, btc("0.7"), btc_price(60_000))
        told.see(rig.account.end(order_id, rig.time.now))
        assert await _signals(rig, 2) == ["entry 0.3 BTC", "entry 0.7 BTC"]
        await run.watcher.scan()
    first, second = await rig.signals()
    assert first.price == btc_price("60033.3333333")
    assert first.id != second.id
    assert second.position_after == btc("1.0")


async def test_what_was_bought_of_a_coin_is_told_before_its_sale(rig: Rig) -> None:
    """The sale is a fraction of what is held: a purchase that is still filling belongs to it."""
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        told.see(rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000)))
        await rig.someone_trades(run, Side.SELL, "0.1")
        told.see(rig.account.orders[-1])
        assert await _signals(rig, 2) == ["entry 0.4 BTC", "exit 0.1 BTC"]
    assert (await rig.signals())[1].fraction == Decimal("0.25")


async def test_an_end_whose_sums_are_not_whole_is_read_by_itself(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        rig.time.now += int(BURST * 1000)
        await rig.someone_trades(run, Side.BUY, "0.2")
        scans = run.venue.calls["closed_orders"]
        told.see(rig.account.orders[0], whole=False)
        assert await _signals(rig, 1) == ["entry 0.2 BTC"]
        assert run.venue.calls["closed_orders"] == scans
        assert run.trust.complete


async def test_what_cannot_be_read_by_itself_is_read_by_a_scan_and_by_polling(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        rig.time.now += int(BURST * 1000)
        assert run.trust.complete
        await rig.someone_trades(run, Side.BUY, "0.2")
        run.venue.fail("order", Unavailable("busy"))
        told.reader.unclear(rig.account.orders[0].venue_order_id, "a row cannot be read")
        assert await _signals(rig, 1) == ["entry 0.2 BTC"]
        assert not run.trust.complete, "lists lag"


async def test_many_unclear_orders_are_read_from_the_lists(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        for _ in range(8):
            await rig.someone_trades(run, Side.BUY, "0.01")
        for order in rig.account.orders:
            told.reader.unclear(order.venue_order_id, "its first row was not seen")
        assert len(await _signals(rig, 8)) == 8
        assert run.venue.calls["order"] == 0


async def test_an_unclear_order_that_is_open_and_has_filled_is_watched_by_polling(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        rig.time.now += int(BURST * 1000)
        order_id = await _rest(run, Side.BUY, "1")
        told.reader.unclear(order_id, "its first row was not seen")
        await until(lambda: run.venue.calls["order"] == 1)
        await asyncio.sleep(0.01)
        assert run.trust.complete, "nothing has filled"
        rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000))
        told.reader.unclear(order_id, "its first row was not seen")
        await until(lambda: not run.trust.complete)


async def test_a_part_whose_sums_are_not_whole_waits_for_the_end(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        told.see(rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000)), whole=False)
        await asyncio.sleep(MORE_FILLS * 2)
        assert await rig.signals() == []
        told.see(rig.account.end(order_id, rig.time.now))
        assert await _signals(rig, 1) == ["entry 0.4 BTC"]


async def test_what_happened_while_the_stream_was_cut_is_compared_before_it_is_trusted(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    reader = run.fill_stream()
    reader.interrupted("cut")
    await rig.someone_trades(run, Side.BUY, "0.2")
    run.venue.fail("closed_orders", Unavailable("busy"), times=3)
    assert not run.trust.alive
    await reader.resumed("connected again")
    assert run.trust.alive
    (signal,) = await rig.signals()
    assert signal.kind is Kind.ENTRY


async def test_scans_are_rare_while_the_stream_shows_everything_and_at_their_pace_when_it_does_not(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    reader = run.fill_stream()
    await reader.resumed("connected")
    rig.time.now += int(BURST * 1000)
    assert await _scans_within(run, 200) == 0
    assert await _scans_within(run, 120) >= 1, "a slow scan goes on for ever"
    reader.interrupted("cut")
    assert await _scans_within(run, 120) >= 9


async def test_a_fill_that_only_the_slow_scan_finds_is_copied_counted_and_followed_by_polling(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    reader = run.fill_stream()
    await reader.resumed("connected")
    rig.time.now += 120_000
    assert run.trust.complete
    await rig.someone_trades(run, Side.BUY, "0.2")
    await run.watcher.scan()
    assert rig.faults.events.get(FaultKind.VENUE_STREAM, 0) == 0, "it may still be shown"
    await rig.someone_trades(run, Side.BUY, "0.1")
    rig.time.now += 10_000
    await run.watcher.scan()
    assert len(await rig.signals()) == 2
    assert rig.faults.events[FaultKind.VENUE_STREAM] == 1
    assert not run.trust.complete


async def test_a_stream_that_is_down_for_long_is_shown_and_blocks_nothing(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    run.trust.expected = True
    rig.time.now += 31_000
    run.trust.look()
    (fault,) = [each for each in rig.faults.standing if each.kind is FaultKind.VENUE_STREAM]
    assert (fault.subject, fault.blocks) == (MASTER, False)
    assert "polled" in fault.reason
    await run.fill_stream().resumed("connected")
    assert [each for each in rig.faults.standing if each.kind is FaultKind.VENUE_STREAM] == []


async def test_a_deposit_is_no_signal_and_the_equity_follows_at_once(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    before = run.mirror.equity
    rig.account.move("USD", Decimal(5_000))
    run.fill_stream().funds_moved(FundsMoved("USD", FundsKind.DEPOSIT, rig.time.now))
    await run.mirror.refresh_if_due()
    assert before is not None
    assert run.mirror.equity is not None
    assert run.mirror.equity.amount - before.amount == 5_000
    assert await rig.signals() == []


async def test_a_withdrawal_of_all_coins_is_an_exit_within_a_minute_although_no_list_is_read(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        rig.time.now += int(BURST * 1000)
        await rig.someone_trades(run, Side.BUY, "0.2")
        bought_at = rig.time.now
        told.see(rig.account.orders[-1])
        await _signals(rig, 1)

        for passed in range(12, 217, 12):
            rig.time.now = bought_at + passed * 1000
            if passed == 168:  # the account has shown what was bought
                rig.account.move("BTC", Decimal("-0.2"))
                told.reader.funds_moved(FundsMoved("BTC", FundsKind.WITHDRAWAL, rig.time.now))
            await run.mirror.refresh_if_due()
            await run.watcher.look()
    assert [f"{each.kind} {each.fraction}" for each in await rig.signals()] == ["entry None", "exit 1"]


async def test_a_part_that_filled_too_long_ago_is_passed_over(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        order = rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000))
        told.reader.order_seen(OrderSeen(order, True, rig.time.now - 40_000))
        await until(lambda: run.book.uncopied)
        assert run.book.uncopied[order_id].reason == "too_late"
        rig.account.fill_part(order_id, btc("0.2"), btc_price(60_000))
        told.reader.order_seen(OrderSeen(rig.account.end(order_id, rig.time.now), True, rig.time.now))
        assert await _signals(rig, 1) == ["entry 0.2 BTC"]
    assert (await rig.signals())[0].position_before == btc("0.4")


@pytest.mark.parametrize("size", ["0.5", "0.7"])
async def test_a_repeated_older_state_takes_nothing_back(rig: Rig, size: str) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        early = rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000))
        rig.account.fill_part(order_id, btc(size) - btc("0.4"), btc_price(60_000))
        ended = rig.account.end(order_id, rig.time.now)
        told.see(ended)
        told.see(early)
        assert await _signals(rig, 1) == [f"entry {size} BTC"]
        told.see(early)
        await run.watcher.scan()
    assert len(await rig.signals()) == 1
    assert ended.status is VenueOrderStatus.DONE


async def test_a_fill_whose_instant_was_not_seen_waits_for_the_end(rig: Rig) -> None:
    """It may be old: as a part of now it would be copied at a price of long ago."""
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        order_id = await _rest(run, Side.BUY, "1")
        order = rig.account.fill_part(order_id, btc("0.4"), btc_price(60_000))
        told.reader.order_seen(OrderSeen(order, True, None))
        await asyncio.sleep(MORE_FILLS * 2)
        assert await rig.signals() == []
        told.see(rig.account.end(order_id, rig.time.now))
        assert await _signals(rig, 1) == ["entry 0.4 BTC"]


async def test_a_fill_of_a_gap_that_was_noticed_is_no_failure_of_the_stream(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    reader = run.fill_stream()
    await reader.resumed("connected")
    rig.time.now += int(BURST * 1000)
    assert run.trust.complete
    await rig.someone_trades(run, Side.BUY, "0.2")
    rig.time.now += 10_000
    await reader.resumed("a gap in executions")
    assert len(await rig.signals()) == 1
    assert rig.faults.events.get(FaultKind.VENUE_STREAM, 0) == 0


class Refused(FakeStream):
    """A stream that the key may not open."""

    async def run(self, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        raise StreamRefused("no right")


async def test_a_key_without_the_right_is_shown_for_as_long_as_it_is_polled(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    reader = run.fill_stream()
    following = asyncio.create_task(reader.run(Refused(rig.account), _free))
    await until(lambda: [each for each in rig.faults.standing if each.kind is FaultKind.VENUE_STREAM])
    rig.time.now += 60_000
    run.trust.look()
    (fault,) = [each for each in rig.faults.standing if each.kind is FaultKind.VENUE_STREAM]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert "no right" in fault.reason


async def _free() -> None:
    """Permit each connect."""


async def _scans_within(run: Run, seconds: int) -> int:
    """Run the watcher for a while of its own time; answers how often it has read the list of ended orders."""
    before = run.venue.calls["closed_orders"]
    task = asyncio.create_task(run.watcher.run())
    run.time.at(run.time.steady + seconds, task.cancel)
    await asyncio.gather(task, return_exceptions=True)
    return run.venue.calls["closed_orders"] - before


async def test_the_end_of_an_own_order_is_learned_from_the_stream_and_told_once(rig: Rig) -> None:
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        told.run.venue.account.listeners.append(told.see)
        asked = run.venue.calls["order"]
        await run.trade(buy("0.2"))
        assert await _signals(rig, 1) == ["entry 0.2 BTC"]
        assert run.venue.calls["order"] == asked
        told.reader.interrupted("cut")
        told.run.venue.account.listeners.clear()
        await run.trade(buy("0.1"))
        assert await _signals(rig, 2) == ["entry 0.2 BTC", "entry 0.1 BTC"]
        assert run.venue.calls["order"] == asked + 1
        await run.watcher.scan()
    assert [each.source for each in await rig.signals()] == [Source.STRATEGY] * 2


async def test_an_own_order_is_not_awaited_while_the_stream_is_compared(rig: Rig) -> None:
    """What it shows meanwhile is told only after the comparison."""
    run = await rig.start()
    await run.resume()
    async with streamed(run) as told:
        gate = run.venue.hold("closed_orders")
        comparing = asyncio.create_task(told.reader.resumed("a gap"))
        await asyncio.sleep(0.05)
        assert run.stream is not None
        assert not run.stream.alive
        gate.set()
        await comparing
        assert run.stream.alive
