"""What keeps an account from trading beside the venue: a key that is somebody else's too, and books that Redis has lost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.lost_books import BooksGate, sum_up
from services.executor.account.keys.gates import GateRefusal, KeyGate
from services.executor.account.keys.key_memory import KeyMemory
from shared.bus.connection import Bus
from shared.bus.order.interventions import ask_for_rebuilding
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records, pairs
from shared.bus.users.key_claims import has_claimed
from shared.contracts import keys
from shared.contracts.rebuilding import RebuildMode, RebuildRequest
from shared.domain.fault import FaultKind, Faults
from shared.domain.funds import Funds, FundsMark
from shared.domain.order import OrderState
from shared.venues.errors import Unavailable
from shared.venues.factory import RateBudget
from tests.integration.executor.rig import USER, Owner, Rig, rebuilder
from tests.support.examples import BTC_USD, btc
from tests.support.leases import take_over

FINGERPRINT = "a" * 16


async def lease_of(bus: Bus, user: str) -> Lease:
    return await take_over(bus, user, str(uuid4()))


async def test_one_key_for_two_users_is_refused_across_processes(bus: Bus) -> None:
    """Both are parked, whoever came first, and each is let in once the other is not served any more."""
    faults = Faults()
    alice, bob = [KeyGate(bus, await lease_of(bus, user), FINGERPRINT, faults) for user in ("alice", "bob")]
    await alice.check()
    with pytest.raises(GateRefusal, match="fingerprint aaaaaaaaaaaaaaaa is also alice's"):
        await bob.check()
    with pytest.raises(GateRefusal, match="is also bob's"):
        await alice.check()
    assert {(each.kind, each.subject) for each in faults.standing} == {
        (FaultKind.KEY, "alice: API key"),
        (FaultKind.KEY, "bob: API key"),
    }
    await bus.do("DEL", keys.lease("bob"))
    await alice.check()
    assert [each.subject for each in faults.standing] == ["bob: API key"]


async def test_one_who_looks_at_a_claimed_key_stops_the_other_and_has_not_traded_with_it(bus: Bus) -> None:
    """Which of the two has the wrong key is not known; but a dispute must not make the key a trusted one later."""
    faults = Faults()
    alice, bob = [KeyGate(bus, await lease_of(bus, user), FINGERPRINT, faults) for user in ("alice", "bob")]
    await alice.look()
    await alice.check()
    for _ in range(2):
        with pytest.raises(GateRefusal, match="is also alice's"):
            await bob.look()
        with pytest.raises(GateRefusal, match="is also bob's"):
            await alice.check()
    assert await has_claimed(bus, FINGERPRINT, "alice")
    assert not await has_claimed(bus, FINGERPRINT, "bob")
    await bus.do("DEL", keys.lease("bob"))
    await alice.look()
    await alice.check()


async def test_a_key_that_is_the_masters_is_refused(bus: Bus) -> None:
    master = await lease_of(bus, "master")
    await bus.do("HSET", keys.api_key(FINGERPRINT), "master", master.token)
    with pytest.raises(GateRefusal, match="is also the master's"):
        await KeyGate(bus, await lease_of(bus, "alice"), FINGERPRINT, Faults()).check()


async def test_a_key_passes_on_with_the_turn_under_which_it_was_claimed(bus: Bus) -> None:
    """Bob is served with another key now: what his former turn claimed counts no more."""
    await KeyGate(bus, await lease_of(bus, "bob"), FINGERPRINT, Faults()).check()
    await KeyGate(bus, await lease_of(bus, "bob"), "b" * 16, Faults()).check()
    await KeyGate(bus, await lease_of(bus, "alice"), FINGERPRINT, Faults()).check()


async def test_another_key_is_no_reason(bus: Bus) -> None:
    await KeyGate(bus, await lease_of(bus, "bob"), FINGERPRINT, Faults()).check()
    await KeyGate(bus, await lease_of(bus, "alice"), "b" * 16, Faults()).check()


def gate_of(rig: Rig, owner: Owner) -> BooksGate:
    context = owner.context
    return BooksGate(USER, owner.venue, context.records, context.store, Funds.LIVE, rig.clock, Faults())


async def test_a_new_account_is_let_in_and_not_doubted_again(rig: Rig, owner: Owner) -> None:
    gate = gate_of(rig, owner)
    await gate.check()
    assert await owner.context.records.books([(USER, "kraken")]) == [FundsMark(Funds.LIVE)]
    asked = owner.venue.calls.total()
    await gate.check()
    assert owner.venue.calls.total() == asked


async def test_orders_of_a_person_do_not_look_like_ours(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do_everywhere("FLUSHALL")
    rig.account.orders = [replace(order, client_order_id=str(uuid4())) for order in rig.account.orders]
    await gate_of(rig, await rig.start()).check()


async def test_books_that_redis_lost_park_the_account_until_they_are_rebuilt(rig: Rig, owner: Owner) -> None:
    """Case S6."""
    await rig.carry(owner, rig.entry("0.05"))
    before = await rig.position()
    await rig.bus.do_everywhere("FLUSHALL")
    later = await rig.start()
    gate = gate_of(rig, later)
    for _ in range(2):
        with pytest.raises(GateRefusal, match=r"1 orders of Shoal's kind .* 0.05 BTC held .*ops rebuild --user alice"):
            await gate.check()
    assert later.venue.calls["closed_orders"] == 1
    later.context.account.books_lost = True
    await _ask(rig, RebuildMode.WRITE)
    await rebuilder(rig.bus, later.context).round()
    await gate.check()
    after = await rig.position()
    assert before is not None
    assert after is not None
    assert (after.size, after.cost) == (before.size, before.cost)
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED]


async def test_a_balance_that_cannot_be_read_begins_no_new_books(rig: Rig, owner: Owner) -> None:
    """Case S6 with V3: taken for zero it made a new account of one that holds coins, and their exits found nothing."""
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do_everywhere("FLUSHALL")
    later = await rig.start()
    gate = gate_of(rig, later)
    rig.account.unreadable_balances.add("BTC")
    with pytest.raises(Unavailable, match="the balance of BTC could not be read"):
        await gate.check()
    assert await rig.bus.do("EXISTS", keys.books(USER, "kraken")) == 0
    rig.account.unreadable_balances.clear()
    with pytest.raises(GateRefusal, match=r"0\.05 BTC held"):
        await gate.check()


async def test_a_rebuilding_that_was_interrupted_is_repeated_with_the_same_end(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.close("0.5"))
    await rig.bus.do_everywhere("FLUSHALL")
    later = await rig.start()
    later.context.account.books_lost = True
    rebuilding = rebuilder(rig.bus, later.context)
    await rebuilding._report(later.venue.account.orders[0])  # it died behind the first report
    for _ in range(2):
        rig.clock.now += 1
        await _ask(rig, RebuildMode.WRITE)
        await rebuilding.round()
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.025")
    assert len(await rig.reports()) == 2
    answer = pairs(await rig.bus.do("HGETALL", keys.rebuilt(USER, "kraken")))
    assert (answer["written"], answer["reason"]) == ("False", "the books stand already")


async def test_what_is_told_anew_after_a_rebuilding_is_not_booked_twice(rig: Rig, owner: Owner) -> None:
    decision = rig.entry("0.05")
    await rig.carry(owner, decision)
    await rig.bus.do_everywhere("FLUSHALL")
    later = await rig.start()
    later.context.account.books_lost = True
    await _ask(rig, RebuildMode.WRITE)
    await rebuilder(rig.bus, later.context).round()
    await rig.carry(later, decision, redelivered=True)
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.05")
    assert len(rig.account.orders) == 1


async def test_an_exit_waits_for_lost_books_and_is_not_taken_for_one_of_nothing(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.bus.do_everywhere("FLUSHALL")
    later = await rig.start()
    await later.context.account.park("lost")
    later.context.account.books_lost = True
    task = await rig.begin(later, rig.close())
    await _ask(rig, RebuildMode.WRITE)
    await rebuilder(rig.bus, later.context).round()
    await later.context.account.read()
    rig.clock.now += 10_000
    await task
    assert (await rig.position(), rig.account.balances["BTC"]) == (None, Decimal(0))


async def test_a_keeper_parks_what_a_gate_withholds_and_lets_it_in_again(rig: Rig, owner: Owner) -> None:
    shut = True

    async def gate() -> None:
        if shut:
            raise GateRefusal("not now", books_lost=True)

    keeper = AccountKeeper(USER, owner.venue, Records(rig.bus), rig.clock, KeyMemory(RateBudget(None)), gates=[gate])
    with pytest.raises(GateRefusal):
        await keeper.read()
    assert not keeper.ready
    shut = False
    keeper.books_lost = True
    await keeper.read()
    assert (keeper.ready, keeper.books_lost) == (True, False)


async def test_what_the_account_has_no_more_is_not_rebuilt(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.balances["BTC"] = Decimal("0.02")
    found = sum_up(rig.account.orders, await owner.venue.balances(), await owner.venue.instruments())
    assert found.positions[BTC_USD].size == btc("0.02")
    rig.account.balances["BTC"] = Decimal(0)
    found = sum_up(rig.account.orders, await owner.venue.balances(), await owner.venue.instruments())
    assert (dict(found.positions), found.uncovered) == ({}, frozenset())


async def test_more_sold_than_bought_is_said(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, rig.close())
    found = sum_up(rig.account.orders[1:], await owner.venue.balances(), await owner.venue.instruments())
    assert (dict(found.positions), found.uncovered) == ({}, frozenset({BTC_USD}))


async def _ask(rig: Rig, mode: RebuildMode) -> None:
    await ask_for_rebuilding(rig.bus, USER, RebuildRequest(rebuild_at=rig.clock.now, rebuild_mode=mode))
