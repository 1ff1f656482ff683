"""A whole turn in one process: what a predecessor left, stragglers, poison, and the housekeeping on request."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from shared.bus.flow.streams import Entry, Group, read_entries
from shared.bus.order.interventions import ask_for_reconciliation, put_back_order
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.reconciliation import ReconcileAnswer, ReconcileMode, ReconcileRequest
from shared.domain.order import OrderState
from tests.integration.executor.rig import USER, Owner, Rig, crash, until
from tests.integration.executor.turns import reported, served, turn
from tests.support.examples import btc

STREAM = keys.orders(USER)


async def test_what_a_predecessor_left_is_carried_out_before_what_is_new(rig: Rig, owner: Owner) -> None:
    await rig.hand_out(rig.entry("0.05"))
    await rig.append(rig.close("0.5"))
    async with turn(rig, await rig.start()):
        assert await reported(rig, 2) == [OrderState.FILLED, OrderState.FILLED]
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.025")
    assert await rig.pending() == 0


async def test_a_straggler_is_carried_out_before_the_exit_that_follows_it(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.01"))
    async with turn(rig, owner, reading=False) as reader:
        settled = await reported(rig, 1)
        await served(reader)
        await rig.hand_out(rig.entry("0.04"))  # handed out in an answer that was lost
        await rig.append(rig.close())
        reading = asyncio.create_task(reader.run())
        assert await reported(rig, 3) == [*settled, OrderState.FILLED, OrderState.FILLED]
        await crash(reading)
    assert ((await rig.reports())[-1].filled_size, await rig.position()) == (Decimal("0.05"), None)


async def test_poison_entry(rig: Rig, owner: Owner) -> None:
    rig.clock.now += 1
    await rig.bus.do("XADD", STREAM, f"{rig.clock.now}-0", "hello", "world")
    await rig.append(rig.entry())
    async with turn(rig, owner):
        assert await reported(rig, 1) == [OrderState.FILLED]

        async def buried() -> bool:
            return int(await rig.bus.do("XLEN", keys.dead(STREAM))) == 1 and await rig.pending() == 0

        await until(buried, "the poison is buried")
    rows = await rig.bus.do("XRANGE", keys.dead(STREAM), "-", "+")
    (letter,) = read_entries(keys.dead(STREAM), rows)
    assert letter.fields["field:hello"] == "world"
    assert "OrderMessage" in letter.fields["reason"]


async def test_a_dead_order_that_was_put_back_is_carried_out_by_the_next_sweep(rig: Rig, owner: Owner) -> None:
    entry_id = await rig.hand_out(rig.entry())
    (row,) = read_entries(STREAM, await rig.bus.do("XRANGE", STREAM, entry_id, entry_id))
    await Group(rig.bus, keys.EXECUTOR).dead_letter(Entry(STREAM, entry_id, row.fields), "unknown version")
    (letter,) = read_entries(keys.dead(STREAM), await rig.bus.do("XRANGE", keys.dead(STREAM), "-", "+"))
    assert await rig.pending() == 0
    assert not await put_back_order(rig.bus, STREAM, "1-1", [letter.id])
    assert await put_back_order(rig.bus, STREAM, entry_id, [letter.id])
    assert await rig.bus.do("XLEN", keys.dead(STREAM)) == 0
    async with turn(rig, owner):
        assert await reported(rig, 1) == [OrderState.FILLED]
    assert (await rig.pending(), await rig.bus.do("XLEN", STREAM)) == (0, 1)


async def ask(rig: Rig, mode: ReconcileMode, at: int) -> ReconcileAnswer:
    """Ask for a pass and wait for its answer."""
    await ask_for_reconciliation(rig.bus, USER, ReconcileRequest(reconcile_at=at, reconcile_mode=mode))
    key = keys.reconciled(USER, "kraken")

    async def answered() -> bool:
        return pairs(await rig.bus.do("HGETALL", key)).get("asked_at") == str(at)

    await until(answered, "the request is answered")
    return ReconcileAnswer.parse(pairs(await rig.bus.do("HGETALL", key)))


async def test_a_request_is_answered_once_and_a_repair_is_made_in_the_symbols_chain(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.balances["BTC"] = Decimal("0.02")
    rig.clock.now += 60_000
    async with turn(rig, owner):
        checked = await ask(rig, ReconcileMode.CHECK, rig.clock.now)
        assert (checked.found, checked.repaired, checked.reason) == (1, 0, "")
        repaired = await ask(rig, ReconcileMode.REPAIR, rig.clock.now + 1)
        assert (repaired.found, repaired.repaired) == (1, 1)
        position = await rig.position()
        assert position is not None
        assert position.size == btc("0.02")
    assert len(rig.account.orders) == 1
    after = await rig.start()
    asked = after.venue.calls["balances"]
    rig.account.balances["BTC"] = Decimal("0.01")
    async with turn(rig, after):
        # The start's own pass tells the new difference; the request of before is not carried out again.
        await until(lambda: told(after), "the pass of the start")
        assert after.venue.calls["balances"] > asked
        await ask(rig, ReconcileMode.CHECK, rig.clock.now + 2)
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.02")


async def told(owner: Owner) -> bool:
    return bool(await owner.context.records.differences(USER, "kraken"))


async def test_an_old_or_unreadable_request_is_nobodys(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.balances["BTC"] = Decimal("0.02")
    stale = ReconcileRequest(reconcile_at=rig.clock.now, reconcile_mode=ReconcileMode.REPAIR)
    rig.clock.now += 61_000
    await ask_for_reconciliation(rig.bus, USER, stale)
    async with turn(rig, owner):
        await until(lambda: told(owner), "the pass of the start")
    await rig.bus.do("HSET", keys.control(USER), "reconcile_at", "yesterday")
    async with turn(rig, await rig.start()):
        await rig.append(rig.entry("0.01"))
        await reported(rig, 2)
    assert await rig.bus.do("EXISTS", keys.reconciled(USER, "kraken")) == 0
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.06")


async def test_poison_that_cannot_be_buried_ends_no_turn(rig: Rig, owner: Owner) -> None:
    """The dead letters' key is something else: one turn after the other ended by that, and no exit went out."""
    await rig.bus.do("SET", keys.dead(STREAM), "no stream")
    rig.clock.now += 1
    await rig.bus.do("XADD", STREAM, f"{rig.clock.now}-0", "hello", "world")
    async with turn(rig, owner) as reader:
        await served(reader)
        await asyncio.sleep(0.2)
        await rig.append(rig.entry())
        assert await reported(rig, 1) == [OrderState.FILLED]
    assert await rig.pending() == 1
