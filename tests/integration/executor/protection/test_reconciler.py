"""Reconciliation of one context: told once, in any number of passes and processes; repaired only when asked, never by a trade."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.bus.errors import LeaseLost
from shared.contracts import keys
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from tests.integration.executor.rig import USER, Owner, Rig, reconciler
from tests.support.examples import BTC_USD, btc

WORDS = "0.05 BTC held from copying, but the account has only 0.02 BTC"


def idle() -> frozenset[Symbol]:
    return frozenset()


@pytest.fixture
async def short(rig: Rig, owner: Owner) -> Owner:
    """An owner whose user has moved 0.03 of the 0.05 that were copied, a while after the fill."""
    await rig.carry(owner, rig.entry("0.05"))
    rig.account.balances["BTC"] = Decimal("0.02")
    rig.clock.now += 60_000
    return owner


async def differences(rig: Rig, owner: Owner) -> dict[str, str]:
    return await owner.context.records.differences(USER, "kraken")


async def test_reconciliation_converges_in_one_pass_and_is_silent_in_the_second(rig: Rig, short: Owner) -> None:
    first = await reconciler(short.context, idle).check()
    assert (first.differences, first.new, first.left_out) == ({BTC_USD: WORDS}, 1, ())
    assert await differences(rig, short) == {"BTC/USD": WORDS}
    second = await reconciler(short.context, idle).check()
    assert (second.differences, second.new) == ({BTC_USD: WORDS}, 0)
    after_a_restart = await reconciler((await rig.start()).context, idle).check()
    assert after_a_restart.new == 0
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.05")


async def test_a_difference_that_has_changed_is_told_anew_and_one_that_is_gone_is_forgotten(
    rig: Rig, short: Owner
) -> None:
    reconciling = reconciler(short.context, idle)
    await reconciling.check()
    rig.account.balances["BTC"] = Decimal("0.01")
    assert (await reconciling.check()).new == 1
    rig.account.balances["BTC"] = Decimal(1)
    assert (await reconciling.check()).differences == {}
    assert await differences(rig, short) == {}


async def test_a_repair_lowers_the_books_and_trades_nothing(rig: Rig, short: Owner) -> None:
    reconciling = reconciler(short.context, idle)
    await reconciling.check()
    assert await reconciling.repair(BTC_USD)
    position = await rig.position()
    assert position is not None
    assert (position.size, position.cost.amount) == (btc("0.02"), Decimal("1204.8"))
    assert await differences(rig, short) == {}
    after = await reconciling.check()
    assert (after.differences, after.new, after.left_out) == ({}, 0, ())
    assert not await reconciling.repair(BTC_USD)
    assert len(rig.account.orders) == 1


async def test_a_position_of_which_nothing_is_left_is_taken_off_the_books(rig: Rig, short: Owner) -> None:
    del rig.account.balances["BTC"]
    assert await reconciler(short.context, idle).repair(BTC_USD)
    assert await rig.position() is None


async def test_a_fresh_fill_or_an_order_under_way_is_left_out_and_what_was_told_stays(rig: Rig, short: Owner) -> None:
    await reconciler(short.context, idle).check()
    busy = reconciler(short.context, lambda: frozenset({BTC_USD}))
    found = await busy.check()
    assert (found.differences, found.left_out) == ({}, (BTC_USD,))
    assert await differences(rig, short) == {"BTC/USD": WORDS}
    other = reconciler(short.context, lambda: frozenset({Symbol("BTC", "EUR")}))
    assert not await other.repair(BTC_USD)
    await rig.carry(short, rig.entry("0.01"))
    assert (await reconciler(short.context, idle).check()).left_out == (BTC_USD,)
    assert not await reconciler(short.context, idle).repair(BTC_USD)


async def test_an_account_that_cannot_be_read_is_left_for_the_next_pass(rig: Rig, short: Owner) -> None:
    reconciling = reconciler(short.context, idle)
    short.venue.fail("balances", Unavailable("EService:Busy"))
    assert (await reconciling.check()).reason == "EService:Busy"
    short.venue.fail("balances", Unavailable("EService:Busy"))
    assert not await reconciling.repair(BTC_USD)
    await short.context.account.park("key [is] blank")
    assert (await reconciling.check()).reason == "account is parked: key [is] blank"
    assert await differences(rig, short) == {}


async def test_a_position_that_cannot_be_read_is_said_and_breaks_nothing(rig: Rig, short: Owner) -> None:
    await rig.bus.do("HSET", keys.positions(USER, "kraken"), "ETH/USD", "much")
    assert "not JSON" in (await reconciler(short.context, idle).check()).reason


async def test_who_has_lost_the_lease_repairs_nothing(rig: Rig, short: Owner) -> None:
    await rig.start()
    # Its first question has a nonce that was allocated in advance: the venue refuses it. The next one needs the lease.
    assert not await reconciler(short.context, idle).repair(BTC_USD)
    with pytest.raises(LeaseLost):
        await reconciler(short.context, idle).repair(BTC_USD)
    position = await rig.position()
    assert position is not None
    assert position.size == btc("0.05")


async def test_nothing_held_costs_no_call(rig: Rig, owner: Owner) -> None:
    asked = owner.venue.calls.total()
    assert (await reconciler(owner.context, idle).check()).differences == {}
    assert owner.venue.calls.total() == asked
    assert await rig.position() is None


async def test_a_balance_that_cannot_be_read_is_no_difference(rig: Rig, short: Owner) -> None:
    """A sibling of case E1: taken for zero, a repair would erase the position."""
    rig.account.unreadable_balances.add("BTC")
    found = await reconciler(short.context, idle).check()
    assert (found.differences, found.left_out) == ({}, (BTC_USD,))
    assert not await reconciler(short.context, idle).repair(BTC_USD)
