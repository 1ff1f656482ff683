"""The books that a turn keeps in memory: nothing is written over what it has not seen, and a person's correction is noticed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.executor.account.books import positions
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.risk import write_risk
from shared.contracts.trade_totals import read_totals
from shared.domain.order import Decision, OrderState
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.support.examples import BTC_USD, btc, usd


async def test_an_end_is_booked_on_what_another_hand_has_written(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    held = await rig.position()
    assert held is not None
    await Records(rig.bus).write_position(USER, "kraken", held.sold(btc("0.02"), rig.clock.now))
    await rig.carry(owner, rig.entry("0.01"))
    found = await rig.position()
    assert found is not None
    assert found.size == btc("0.04")


async def test_a_position_that_was_removed_is_not_brought_back_by_the_next_end(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do("DEL", keys.positions(USER, "kraken"))
    await rig.carry(owner, rig.entry("0.01"))
    found = await rig.position()
    assert found is not None
    assert found.size == btc("0.01")


async def test_a_risk_state_that_another_hand_has_written_goes_on(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    before = await Records(rig.bus).risk(USER, "kraken")
    assert before is not None
    changed = write_risk(replace(before, realized=usd("-70"), trades_today=5))
    await rig.bus.do("HSET", keys.risk(USER, "kraken"), *[part for pair in changed.items() for part in pair])
    await rig.carry(owner, rig.entry("0.01"))
    after = await Records(rig.bus).risk(USER, "kraken")
    assert after is not None
    assert (after.realized, after.trades_today) == (usd("-70"), 6)


async def test_a_risk_state_that_cannot_be_read_is_left_as_it_is(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do("HSET", keys.risk(USER, "kraken"), "trades_today", "many")
    assert (await rig.carry(owner, rig.entry("0.01"))).outcome is OrderState.FILLED
    assert await rig.bus.do("HGET", keys.risk(USER, "kraken"), "trades_today") == "many"


async def test_sums_of_trades_that_were_removed_begin_again(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do("DEL", keys.totals(USER, "kraken"))
    await rig.carry(owner, rig.entry("0.01"))
    sums = read_totals(await rig.bus.do("HGET", keys.totals(USER, "kraken"), str(BTC_USD)))
    assert (sums.bought, sums.trades) == (btc("0.01").amount, 1)


async def test_books_of_another_type_leave_an_end_to_be_repeated(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do("SET", keys.risk(USER, "kraken"), "oops")
    decision = rig.entry("0.01")
    running = await rig.begin(owner, decision)
    await until(lambda: _failed(owner, decision), "the end has been tried again, with books that were read again")
    assert len(await rig.reports()) == 1
    await rig.bus.do("DEL", keys.risk(USER, "kraken"))
    async with asyncio.timeout(30):
        await running
    assert [each.outcome for each in await rig.reports()] == [OrderState.FILLED] * 2
    found = await rig.position()
    assert found is not None
    assert found.size == btc("0.06")


async def _failed(owner: Owner, decision: Decision) -> bool:
    return owner.context.aside.tries(decision) > 1


async def test_what_looks_again_and_again_notices_a_correction(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    assert (await owner.context.positions.recent()).holdings().positions.keys() == {BTC_USD}
    await rig.bus.do("DEL", keys.positions(USER, "kraken"))
    monkeypatch.setattr(positions, "_RECENT", -1.0)  # a moment has passed
    assert (await owner.context.positions.recent()).holdings().positions == {}


async def test_a_write_meanwhile_makes_a_reading_outdated(rig: Rig, owner: Owner) -> None:
    """The reading may have been answered before the write."""
    recorded = owner.context.positions.recorded
    reading = asyncio.create_task(recorded.read())
    await asyncio.sleep(0)  # the question is on its way
    await rig.carry(owner, rig.entry("0.05"))
    await reading
    assert (await recorded.read()).record(str(BTC_USD)) != ""


async def test_an_end_restores_a_record_that_was_lost_after_the_write_ahead(rig: Rig, owner: Owner) -> None:
    decision = rig.entry("0.05")
    gate = owner.venue.hold("order")
    running = await rig.begin(owner, decision)
    await until(lambda: _asked(owner), "the venue is asked what has become of it")
    intent = await rig.record(decision)
    assert intent["state"] == OrderState.SENDING
    await rig.bus.do("DEL", keys.order(USER, decision.id))
    gate.set()
    async with asyncio.timeout(30):
        await running
    record = await rig.record(decision)
    assert record["state"] == OrderState.FILLED
    kept = ("id", "signal_id", "client_order_id", "symbol", "side", "base_size", "sent_at", "deadline_at")
    assert {name: record[name] for name in kept} == {name: intent[name] for name in kept}
    assert record["accepted_at"] != ""
    assert record["venue_order_id"] != ""


async def _asked(owner: Owner) -> bool:
    return owner.venue.calls["order"] > 0
