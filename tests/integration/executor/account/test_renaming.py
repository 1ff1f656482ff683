"""A coin gets another name at the venue while it is held: the books follow once, and exits reach the coins (Case F1)."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from shared.bus.errors import LeaseLost
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.fault import FaultKind
from shared.domain.order import OrderState
from shared.domain.position import Position
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from tests.integration.executor.renamed import DOT, NDOT, TABLE, TENFOLD, World
from tests.integration.executor.rig import USER, crash, until
from tests.integration.executor.turns import reported, served, turn
from tests.support.examples import usd


@pytest.mark.parametrize("signal", [DOT, NDOT])
async def test_a_renamed_coin_is_sold_under_its_new_name_whatever_the_signal_calls_it(
    world: World, signal: Symbol
) -> None:
    """Case F1: it was "nothing is held", and the coins stayed for ever."""
    world.know(TABLE)
    world.rename()
    report = await world.rig.carry(world.owner, world.close(signal))
    assert (report.outcome, report.symbol, report.filled_size) == (OrderState.FILLED, NDOT, Decimal(100))
    assert await world.held() == {}
    assert world.rig.account.balances["NDOT"] == 5


async def test_the_venues_own_word_for_it_is_enough(world: World) -> None:
    world.rig.market.renamed["DOT"] = "NDOT"
    world.rename()
    await world.context.names.learn()
    report = await world.rig.carry(world.owner, world.close(NDOT, "0.5"))
    assert report.filled_size == Decimal(50)
    assert await world.held() == {"NDOT/USD": Decimal(50)}


async def test_an_exit_waits_while_it_is_not_known_which_names_hold(world: World) -> None:
    """The venue did not answer when the turn began: it was "nothing is held", parked or not."""
    world.rig.market.renamed["DOT"] = "NDOT"
    world.rename()
    task = await world.rig.begin(world.owner, world.close(NDOT))
    await world.context.account.park("cannot connect: no answer")
    parked = await world.rig.begin(world.owner, world.close(NDOT))
    await asyncio.sleep(0.2)
    assert await world.rig.reports() == []
    await world.context.account.read()
    await asyncio.sleep(0.6)  # a try or two
    assert (await world.rig.reports(), await world.held()) == ([], {"DOT/USD": Decimal(100)})
    await crash(parked)
    await world.context.names.learn()  # as the next turn does
    await asyncio.wait_for(task, 30)
    assert (await world.held(), [each.outcome for each in await world.rig.reports()]) == ({}, [OrderState.FILLED])


async def test_a_redenomination_sells_ten_for_one(world: World) -> None:
    world.know(TENFOLD)
    world.rename("10")
    report = await world.rig.carry(world.owner, world.close(DOT, "0.5"))
    assert report.filled_size == Decimal(500)
    position = (await Records(world.rig.bus).positions(USER, "kraken"))[NDOT]
    assert (position.size, position.cost.amount, position.high) == (
        Quantity(Decimal(500), "NDOT"),
        Decimal(300),
        Price(Decimal("0.7"), NDOT),
    )


async def test_a_balance_that_cannot_be_read_moves_nothing(world: World) -> None:
    """Their own NDOT must not be sold because nobody can say how much DOT is left."""
    world.know(TABLE)
    world.list_new()
    world.rig.account.balances["NDOT"] = Decimal(200)
    world.rig.account.unreadable_balances.add("DOT")
    with pytest.raises(Unavailable, match="the balance of DOT could not be read"):
        await world.context.renamer.present_name(DOT)
    assert await world.held() == {"DOT/USD": Decimal(100)}


async def test_repeating_a_move_never_doubles_a_position(world: World) -> None:
    world.know(TABLE)
    world.rename()
    for _ in range(3):
        assert (await world.context.renamer.present_name(DOT)).symbol == NDOT
    assert await world.held() == {"NDOT/USD": Decimal(100)}


async def test_two_movers_at_once_move_it_once(world: World) -> None:
    world.know(TABLE)
    world.rename()
    await asyncio.gather(*(world.context.renamer.present_name(name) for name in (DOT, NDOT, DOT)))
    assert await world.held() == {"NDOT/USD": Decimal(100)}


async def test_what_was_bought_under_the_new_name_meanwhile_is_added_to(world: World) -> None:
    world.know(TABLE)
    world.rename()
    new = Position.flat(NDOT, world.rig.clock.now).bought(Quantity(Decimal(5), "NDOT"), usd(30), world.rig.clock.now)
    await Records(world.rig.bus).write_position(USER, "kraken", new)
    await world.context.renamer.present_name(NDOT)
    assert await world.held() == {"NDOT/USD": Decimal(105)}


async def test_who_has_lost_the_lease_moves_nothing(world: World) -> None:
    world.know(TABLE)
    world.rename()
    await world.rig.start()
    with pytest.raises(LeaseLost):
        await world.context.renamer.present_name(DOT)
    assert await world.held() == {"DOT/USD": Decimal(100)}


async def test_an_exit_waits_while_the_venue_is_in_the_middle_of_it_and_erases_nothing(world: World) -> None:
    world.know(TABLE)
    world.list_new()
    task = await world.rig.begin(world.owner, world.close(NDOT))
    for _ in range(200):
        await asyncio.sleep(0)
    await asyncio.sleep(0.6)  # a try or two
    assert await world.held() == {"DOT/USD": Decimal(100)}
    assert await world.rig.reports() == []
    del world.rig.account.balances["DOT"]  # taken, and the new ones are not given yet
    await asyncio.sleep(0.6)
    assert await world.held() == {"DOT/USD": Decimal(100)}
    assert [each.kind for each in world.rig.faults.standing] == [FaultKind.SYMBOL]
    world.rig.account.balances["NDOT"] = Decimal(105)
    await asyncio.wait_for(task, 30)
    assert (await world.held(), world.rig.account.balances["NDOT"]) == ({}, Decimal(5))
    assert world.rig.faults.standing == ()


async def test_an_entry_in_the_table_before_the_day_changes_nothing(world: World) -> None:
    world.know(TABLE)
    report = await world.rig.carry(world.owner, world.close(DOT, "0.5"))
    assert (report.symbol, report.filled_size) == (DOT, Decimal(50))
    assert await world.held() == {"DOT/USD": Decimal(50)}


async def test_an_exit_that_was_half_done_goes_on_under_the_new_name(world: World) -> None:
    world.know(TENFOLD)
    world.rig.account.fill_share = Decimal("0.4")
    pairs, looked_up = world.owner.venue.hold("instruments"), world.owner.venue.hold("order")
    pairs.set()
    decision = world.close(DOT)
    task = await world.rig.begin(world.owner, decision)

    async def sent() -> bool:
        return bool(world.rig.account.orders)

    async def booked() -> bool:
        return (await world.rig.record(decision)).get("filled_size") == "40"

    await until(sent, "the first leg is sent")
    pairs.clear()  # so that the second is not planned yet
    looked_up.set()
    await until(booked, "the first leg is booked")
    world.rename("10")
    world.rig.account.fill_share = Decimal(1)
    pairs.set()
    await asyncio.wait_for(task, 30)
    (report,) = await world.rig.reports()
    assert (report.outcome, report.symbol, report.filled_size) == (OrderState.FILLED, NDOT, Decimal(1000))
    assert (await world.held(), world.rig.account.balances["NDOT"]) == ({}, Decimal(50))


async def test_a_parked_account_with_coins_under_the_former_name_is_not_taken_for_an_empty_one(world: World) -> None:
    world.know(TABLE)
    world.rename()
    await world.context.account.park("a test")
    task = await world.rig.begin(world.owner, world.close(NDOT))
    await asyncio.sleep(0.2)
    assert await world.rig.reports() == []
    await world.context.account.read()
    await asyncio.wait_for(task, 30)
    assert await world.held() == {}


async def test_a_switch_of_the_former_name_still_holds(world: World) -> None:
    world.know(TABLE)
    await world.rig.bus.do("HSET", keys.control_of_symbol(DOT), "mode", "halt", "reason", "a test")
    assert [switch.mode for switch in await world.context.switches(NDOT)].count(ControlMode.HALT) == 1


async def test_a_whole_turn_moves_the_books_by_itself_and_an_exit_in_either_name_waits_its_turn(world: World) -> None:
    """The housekeeper moves them in the queue of the present name, where both names' decisions are carried out in order."""
    world.know(TABLE)
    world.rename()

    async def moved() -> bool:
        return await world.held() == {"NDOT/USD": Decimal(100)}

    async with turn(world.rig, world.owner) as reader:
        await served(reader)
        await until(moved, "the books are moved")
        await world.rig.append(world.close(DOT, "0.5"))
        await world.rig.append(world.close(NDOT))
        assert await reported(world.rig, 2) == [OrderState.FILLED, OrderState.FILLED]
    assert (await world.held(), world.rig.account.balances["NDOT"]) == ({}, Decimal(5))
