"""Orders that keep failing and are set aside: shown as faults, tried again later, and in no other order's way.

Case R4. The reason is a damaged record here; the first tries are without pauses.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.account.names import AssetNames
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.set_aside import SetAside
from services.executor.protection.housekeeper import Housekeeper, Task
from services.executor.turn.symbol_queues import SymbolQueues
from shared.contracts import keys
from shared.domain.order import Decision, Kind, OrderState
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from shared.domain.rename import Rename, Renames
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.fake import FakeVenue
from tests.integration.executor.damaged import fill, sent_and_damaged, standing, time_goes_on, watched
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.integration.executor.turns import reported, turn
from tests.support.examples import BTC_USD, btc

pytestmark = pytest.mark.usefixtures("short_retries")


async def test_an_exit_that_keeps_failing_is_shown_and_set_aside_and_the_next_exit_goes_on(
    rig: Rig, owner: Owner
) -> None:
    """It may have sold 0.02 of 0.05: the next one sells no more than the rest. Nothing is bought until all of it is over."""
    await rig.carry(owner, rig.entry("0.05"))
    first = rig.close("0.4")
    name = await sent_and_damaged(rig, owner, first)
    await rig.append(rig.close())
    await rig.append(rig.entry("0.01"))
    later = await rig.start()
    faults = watched(later)
    async with time_goes_on(rig), turn(rig, later):
        assert await reported(rig, 3) == [OrderState.FILLED, OrderState.FILLED, OrderState.SKIPPED]
        _, rest, refused = await rig.reports()
        assert rest.filled_size == Decimal("0.03"), "sold what the order that stands aside may have sold"
        assert refused.reason == f"order {first.id} of BTC/USD has not come to its end"
        (fault,) = standing(faults, first)
        assert "exit of BTC/USD fails: ValueError" in fault.reason
        assert await rig.pending() == 1
        assert len(rig.account.orders) == 3

        fill(rig, name, "0.02")
        await rig.bus.do("HSET", keys.order(USER, first.id), "leg", "1")  # somebody has put it right
        assert (await reported(rig, 4))[3] is OrderState.FILLED
        assert (await rig.reports())[3].filled_size == Decimal("0.02")

        async def over() -> bool:
            return not faults.standing and await rig.pending() == 0

        await until(over, "the fault is over with the order")
        await rig.append(rig.entry("0.01"))
        assert (await reported(rig, 5))[4] is OrderState.FILLED
    assert len(rig.account.orders) == 4


async def test_an_exit_waits_for_one_that_may_have_sold_everything_and_is_not_lost(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    first, second = rig.close(), rig.close()
    name = await sent_and_damaged(rig, owner, first)
    await rig.append(second)
    later = await rig.start()
    faults = watched(later)
    async with time_goes_on(rig), turn(rig, later):

        async def waits() -> bool:
            return len(later.context.aside) == 2

        await until(waits, "both stand aside")
        assert (len(rig.account.orders), len(await rig.reports())) == (2, 1)
        await rig.bus.do("HSET", keys.order(USER, first.id), "leg", "1")
        fill(
            rig, name, "0.05", share="0.5"
        )  # not before: the next try of the damaged one would find it, and stand aside again
        assert (await reported(rig, 3))[1:] == [OrderState.FILLED, OrderState.SKIPPED]
    assert (await rig.position(), faults.standing) == (None, ())
    assert rig.account.balances["BTC"] == 0


async def test_what_stands_aside_is_not_forgotten_by_the_next_owner(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.05"))
    first = rig.close()
    name = await sent_and_damaged(rig, owner, first)
    second = await rig.start()
    faults = watched(second)
    async with time_goes_on(rig), turn(rig, second):

        async def aside() -> bool:
            return len(second.context.aside) == 1

        await until(aside, "it stands aside")
        assert standing(faults, first)
    assert faults.standing == (), "whoever serves the user next reports what they find"
    fill(rig, name, "0.05")
    await rig.bus.do("HSET", keys.order(USER, first.id), "leg", "1")
    async with turn(rig, await rig.start()):
        assert await reported(rig, 2) == [OrderState.FILLED, OrderState.FILLED]
    assert (len(rig.account.orders), await rig.pending()) == (2, 0)


async def test_other_symbols_and_other_decisions_are_not_held_up_at_all(rig: Rig) -> None:
    """Pure: what stands aside is in the way of its own symbol alone."""
    aside = SetAside(USER, AssetNames(FakeVenue(rig.market, rig.account, clock=rig.clock)))
    order, other = rig.close(), rig.close()
    aside.put(order, Decimal("0.02"))
    assert aside.in_the_way(order) == ""
    assert aside.in_the_way(other) == order.id
    assert aside.sellable(order, btc("0.05")) == btc("0.05")
    assert aside.sellable(other, btc("0.05")) == btc("0.03")
    assert aside.sellable(other, btc("0.01")) == btc("0")
    aside.put(order, None)
    assert aside.sellable(other, btc("0.05")) == btc("0")
    aside.over(order)
    assert aside.sellable(other, btc("0.05")) == btc("0.05")
    assert not aside


async def test_what_stands_aside_is_in_the_way_of_its_symbol_under_any_name(rig: Rig) -> None:
    """Pure: 2 of the old coin are 20 of the new one, of which an exit under the new name may sell the rest."""
    old, new = Symbol("DOT", "USD"), Symbol("NDOT", "USD")
    renames = Renames.of([Rename("DOT", "NDOT", Decimal(10))])
    names = AssetNames(FakeVenue(rig.market, rig.account, clock=rig.clock))
    names.renames = renames
    aside = SetAside(USER, names)
    order, other = replace(rig.close(), symbol=old), replace(rig.close(), symbol=new)
    aside.put(order, Decimal(2))
    assert aside.in_the_way(other) == order.id
    assert aside.sellable(other, Quantity(Decimal(50), "NDOT")) == Quantity(Decimal(30), "NDOT")
    assert aside.symbols() == {old, new}
    assert aside.in_the_way(replace(other, symbol=Symbol("BTC", "USD"))) == ""


async def test_what_stands_aside_comes_again_in_the_queue_of_its_present_name(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another queue it would be carried out beside an exit of the same coins, and both would sell them."""
    old, new = Symbol("DOT", "USD"), Symbol("NDOT", "USD")
    owner.context.names.table = Renames.of([Rename("DOT", "NDOT")])
    later: list[Symbol] = []

    def add_later(_: object, symbol: Symbol, work: object, seconds: float) -> None:
        later.append(symbol)

    async def fail(_: Dispatcher, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        return False

    monkeypatch.setattr(SymbolQueues, "add_later", add_later)
    monkeypatch.setattr(Dispatcher, "run", fail)
    own = own_exit(USER, "kraken", Position.flat(old, rig.clock.now), "stop_loss", "", rig.clock.now)
    await owner.context.store.note_own_exit(own)
    await rig.append(replace(rig.close(), symbol=old))

    async def set_aside_twice() -> bool:
        return len(later) == 2

    async with turn(rig, owner):
        await until(set_aside_twice, "both are set aside")
    assert later == [new, new]


async def test_nothing_is_taken_off_the_books_while_an_order_stands_aside_that_may_have_sold_it(
    rig: Rig, owner: Owner
) -> None:
    """It would be taken off twice: by the repair, and by the order once it comes to its end."""
    await rig.carry(owner, rig.entry("0.05"))
    first = rig.close("0.4")
    fill(rig, await sent_and_damaged(rig, owner, first), "0.02")
    later = await rig.start()
    async with time_goes_on(rig), turn(rig, later):

        async def aside() -> bool:
            return len(later.context.aside) == 1

        await until(aside, "it stands aside")
        rig.clock.now += 60_000
        queues: SymbolQueues[Task] = SymbolQueues(asyncio.TaskGroup(), lambda task: task())
        keeper = Housekeeper(rig.bus, USER, {"kraken": later.context}, queues)
        found = await keeper._reconcilers["kraken"].check()
        assert (found.differences, found.left_out) == ({}, (BTC_USD,))


async def test_exits_that_have_an_entry_tried_again_do_not_multiply_its_tries(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each exit of its symbol tries what stands aside at once; the timer of before is the only one all the same."""
    later: list[Symbol] = []
    carried: list[Kind] = []

    def add_later(_: object, symbol: Symbol, work: object, seconds: float) -> None:
        later.append(symbol)

    async def run(_: Dispatcher, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        carried.append(decision.kind)
        return decision.kind is Kind.EXIT

    monkeypatch.setattr(SymbolQueues, "add_later", add_later)
    monkeypatch.setattr(Dispatcher, "run", run)
    for decision in (rig.entry("0.05"), rig.close("0.4"), rig.close()):
        await rig.append(decision)

    async def both_exits() -> bool:
        return carried.count(Kind.EXIT) >= 2

    async with turn(rig, owner):
        await until(both_exits, "both exits are carried out")
    assert carried.count(Kind.ENTRY) >= 3
    assert later == [BTC_USD]
