"""The master's resting orders become events, each once, whatever shows them, across restarts; and only while a user mirrors
them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.resting_orders import RestingOrders
from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.master.master_orders import MasterOrderLog
from shared.contracts import keys
from shared.contracts.mirror import MasterOrderMessage
from shared.domain.mirror import MasterOrder, mirror_id
from shared.domain.order import Side, order_id
from shared.domain.values.money import Price
from shared.venues.errors import Unavailable
from shared.venues.port import OrderRequest, VenueOrder
from tests.integration.master_strategy.rig import Rig, Run, until
from tests.unit.master_strategy.values import BTC, btc


@pytest.fixture
def rig(bus: Bus) -> Rig:
    return Rig(bus)


def watch(rig: Rig, run: Run) -> RestingOrders:
    """Follow the resting orders of a process."""
    clock = rig.time.clock()
    resting = RestingOrders(
        log=MasterOrderLog(rig.bus, rig.at),
        venue=run.venue,
        lease=run.lease,
        book=run.book,
        mirror=run.mirror,
        copies=OwnCopies(rig.bus, rig.at, clock, rig.faults),
        clock=clock,
        currency="USD",
    )
    run.watcher._resting = resting
    return resting


async def mirrored(rig: Rig, users: int = 1) -> None:
    await rig.bus.do("HSET", keys.MIRRORING, "users", users)


async def rest(rig: Rig, run: Run, limit: str = "59000", side: Side = Side.BUY, name: str = "") -> VenueOrder:
    """Leave an order of 0.1 BTC open, as a person would."""
    request = OrderRequest(
        name or str(uuid4()), BTC, side, btc("0.1"), Price(Decimal(limit), BTC), rig.time.now + 60_000, rests=True
    )
    accepted = await run.venue.place(request, run.begin)
    return await run.venue.order(accepted.venue_order_id)


async def events(rig: Rig) -> list[MasterOrder]:
    rows = await rig.bus.do("XRANGE", keys.MASTER_ORDERS, "-", "+")
    return [MasterOrderMessage.parse(entry.fields).to_domain() for entry in read_entries(keys.MASTER_ORDERS, rows)]


async def told(rig: Rig) -> list[tuple[str, int, str, str]]:
    return [
        (each.action.value, each.version, str(each.limit_price.amount), str(each.filled.amount))
        for each in await events(rig)
    ]


async def test_an_order_is_placed_amended_filled_and_ended_once_each(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    order = await rest(rig, run)
    await run.watcher.scan()
    await run.watcher.scan()
    rig.account.fill_resting(order.venue_order_id, btc("0.04"), Price(Decimal(59_000), BTC), rig.time.now)
    await run.watcher.scan()
    await run.venue.cancel(order)
    await run.watcher.scan()
    await run.watcher.scan()
    assert await told(rig) == [
        ("placed", 1, "59000", "0"),
        ("amended", 2, "59000", "0.04"),
        ("ended", 3, "59000", "0.04"),
    ]
    first, *later = await events(rig)
    rows = read_entries(keys.MASTER_ORDERS, await rig.bus.do("XRANGE", keys.MASTER_ORDERS, "-", "+"))
    assert {each.placed_entry for each in later} == {rows[0].id}
    assert first.id == mirror_id(rig.at, order.venue_order_id)
    assert (first.size, first.post_only, first.fraction) == (btc("0.1"), False, None)
    assert first.master_equity is not None


async def test_a_restart_goes_on_where_the_last_process_was(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    order = await rest(rig, run)
    await run.watcher.scan()
    again = await rig.start()
    watch(rig, again)
    await again.watcher.scan()
    await again.venue.cancel(order)
    third = await rig.start()
    watch(rig, third)
    await third.watcher.scan()
    assert [each[:2] for each in await told(rig)] == [("placed", 1), ("ended", 2)]
    placed, ended = read_entries(keys.MASTER_ORDERS, await rig.bus.do("XRANGE", keys.MASTER_ORDERS, "-", "+"))
    assert ended.fields["placed_entry"] == placed.id


async def test_without_a_user_who_mirrors_no_list_is_asked_for(rig: Rig) -> None:
    run = await rig.start()
    watch(rig, run)
    await rest(rig, run)
    calls = run.venue.calls["open_orders"]
    await run.watcher.scan()
    assert run.venue.calls["open_orders"] == calls
    assert await told(rig) == []


async def test_an_order_that_was_emitted_is_ended_even_when_no_user_mirrors_any_more(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    order = await rest(rig, run)
    await run.watcher.scan()
    await mirrored(rig, 0)
    await run.venue.cancel(order)
    await run.watcher.scan()
    assert [each[0] for each in await told(rig)] == ["placed", "ended"]
    calls = run.venue.calls["open_orders"]
    await run.watcher.scan()
    assert run.venue.calls["open_orders"] == calls


async def test_an_order_that_had_filled_before_it_was_seen_is_not_emitted(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    order = await rest(rig, run)
    rig.account.fill_resting(order.venue_order_id, btc("0.04"), Price(Decimal(59_000), BTC), rig.time.now)
    await run.watcher.scan()
    await run.venue.cancel(order)
    await run.watcher.scan()
    assert await told(rig) == []
    assert [signal.base_size for signal in await rig.signals()] == [btc("0.04")]


async def test_a_list_that_does_not_show_an_order_does_not_end_it(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    order = await rest(rig, run)
    await run.watcher.scan()
    rig.account.hidden_lookups = 2  # the list, and the order itself
    await run.watcher.scan()
    assert [each[0] for each in await told(rig)] == ["placed"]
    run.venue.fail("open_orders", Unavailable("busy"))
    assert not await run.watcher.scan_or_report()
    await run.venue.cancel(order)
    await run.watcher.scan()
    assert [each[0] for each in await told(rig)] == ["placed", "ended"]


async def test_a_sale_has_its_share_of_what_the_master_holds(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    await run.watcher.scan()
    await rig.someone_trades(run, Side.BUY, "0.4")
    await run.watcher.scan()
    await rest(rig, run, "61000", Side.SELL)
    await run.watcher.scan()
    (placed,) = await events(rig)
    assert (placed.side, placed.fraction) == (Side.SELL, Decimal("0.25"))


async def test_what_a_stream_shows_is_emitted_once_beside_the_scan(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    resting = watch(rig, run)
    running = asyncio.create_task(resting.run())
    try:
        order = await rest(rig, run)
        resting.seen(replace(order, size=None, limit_price=None, rests=False), whole=True)
        await until(lambda: resting._known is not None and bool(resting._known))
        await run.watcher.scan()
        await run.venue.cancel(order)
        resting.seen(await run.venue.order(order.venue_order_id), whole=True)
        await until(lambda: resting._known == {})
        await run.watcher.scan()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [each[:2] for each in await told(rig)] == [("placed", 1), ("ended", 2)]


async def test_a_user_s_copy_on_the_master_s_account_is_never_an_order_of_the_master(rig: Rig) -> None:
    """Else it would be mirrored, and mirrored again."""
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    copy = order_id(mirror_id(rig.at, "OMASTR-1"), "alice", rig.at)
    await rig.bus.do("XADD", keys.orders("alice"), "*", "v", "1")
    await rig.bus.do("HSET", keys.following("alice"), "from", "0-0")
    await rig.bus.do("HSET", keys.order("alice", copy), "state", "accepted")
    await rest(rig, run, name=copy)
    await run.watcher.scan()
    assert await told(rig) == []
    assert await rig.bus.do("HGET", keys.control("alice"), "mode") == "halt"


async def test_when_the_orders_were_last_seen_is_recorded_with_each_comparison(rig: Rig) -> None:
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    await run.watcher.scan()
    key = keys.masters_resting(rig.at)
    before = int(await rig.bus.do("HGET", key, "as_of"))
    rig.time.now += 5_000
    await run.watcher.scan()
    assert int(await rig.bus.do("HGET", key, "as_of")) >= before + 5_000
    run.venue.fail("open_orders", Unavailable("busy"))
    seen = await rig.bus.do("HGET", key, "as_of")
    rig.time.now += 5_000
    await run.watcher.scan_or_report()
    assert await rig.bus.do("HGET", key, "as_of") == seen


async def test_an_order_that_a_stream_shows_first_is_emitted_after_all_open_orders_were_seen(rig: Rig) -> None:
    """Users place nothing for a master whose open orders were not seen lately, and would never place this one."""
    await mirrored(rig)
    run = await rig.start()
    resting = watch(rig, run)
    seen: list[object] = []
    log = resting._orders
    assert log is not None
    emit = log.emit

    async def note_and_emit(order: MasterOrder) -> str | None:
        seen.append(await rig.bus.do("HGET", keys.masters_resting(rig.at), "as_of"))
        return await emit(order)

    log.emit = note_and_emit  # type: ignore[method-assign]
    running = asyncio.create_task(resting.run())
    try:
        for limit in ("59000", "58000"):
            order = await rest(rig, run, limit)
            resting.seen(order, whole=True)
            await until(lambda name=order.venue_order_id: resting._known is not None and name in resting._known)  # type: ignore[misc]
            rig.time.now += 60_000
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(seen) == 2
    assert all(at is not None for at in seen)
    assert int(str(seen[1])) >= int(str(seen[0])) + 60_000


async def test_an_order_that_has_ended_while_its_sums_may_rise_does_not_rest(rig: Rig) -> None:
    """Coinbase calls an order cancelled before it shows what filled; until that is settled it is listed as open."""
    await mirrored(rig)
    run = await rig.start()
    resting = watch(rig, run)
    order = await rest(rig, run)
    await resting._note(replace(order, closed_at=rig.time.now))
    assert await told(rig) == []
    await resting._note(order)
    assert [action for action, *_ in await told(rig)] == ["placed"]


async def test_two_processes_that_emit_one_version_emit_it_once(rig: Rig) -> None:
    """A leader that was replaced may still be about to say what the new one has said."""
    await mirrored(rig)
    run = await rig.start()
    watch(rig, run)
    await rest(rig, run)
    await run.watcher.scan()
    (placed,) = await events(rig)
    assert await MasterOrderLog(rig.bus, rig.at).emit(placed) is None
    assert len(await events(rig)) == 1
