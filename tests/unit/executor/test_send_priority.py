"""Orders go first and few at a time, but nothing waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from services.executor.turn import send_priority as right_of_way
from services.executor.turn.send_priority import LOOKS_AT_ONCE, PREPARED_AT_ONCE, RightOfWay

ORDERS = [str(number) for number in range(PREPARED_AT_ONCE + 3)]


@pytest.fixture(autouse=True)
def _never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time-out take part: where the order of things counts, a machine that stalls must not change it."""
    monkeypatch.setattr(right_of_way, "PATIENCE", 3_600.0)
    monkeypatch.setattr(right_of_way, "LONGEST", 3_600.0)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch, _never: None) -> None:
    monkeypatch.setattr(right_of_way, "PATIENCE", 0.1)
    monkeypatch.setattr(right_of_way, "LONGEST", 0.3)


_AT_ONCE = 10.0
"""Far below the hour, far above any stall."""


async def settled(way: RightOfWay, *orders: str) -> list[asyncio.Task[None]]:
    """Have orders ask for a place, and let everybody run who can."""
    tasks = [asyncio.create_task(way.enter(order)) for order in orders]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_nobody_waits_while_no_order_is_about_to_leave() -> None:
    async with asyncio.timeout(_AT_ONCE):
        await RightOfWay().give_way()


async def test_whoever_can_wait_waits_until_the_last_order_has_left() -> None:
    way = RightOfWay()
    way.expect("one")
    way.expect("two")
    waiting = asyncio.create_task(way.give_way())
    way.left("one")
    way.left("one")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    way.left("two")
    await asyncio.sleep(0.01)
    assert waiting.done()


async def test_an_order_that_is_expected_again_is_one_order() -> None:
    way = RightOfWay()
    way.expect("one")
    way.expect("one")
    way.left("one")
    async with asyncio.timeout(_AT_ONCE):
        await way.give_way()


@pytest.mark.usefixtures("_soon")
async def test_an_order_that_does_not_leave_holds_nobody_up_twice() -> None:
    way = RightOfWay()
    way.expect("stuck")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(way.give_way() for _ in range(100)))
    assert right_of_way.LONGEST - 0.01 <= loop.time() - began < right_of_way.LONGEST * 50  # together, not in turn
    again = asyncio.create_task(way.give_way())
    await asyncio.sleep(0)
    assert again.done()


async def test_few_are_prepared_at_once_and_the_next_enters_in_order_when_one_has_left() -> None:
    way = RightOfWay()
    tasks = await settled(way, *ORDERS)
    assert [task.done() for task in tasks] == [True] * PREPARED_AT_ONCE + [False] * 3
    way.left(ORDERS[5])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in tasks[PREPARED_AT_ONCE:]] == [True, False, False]
    for order in ORDERS:
        way.left(order)
    await asyncio.gather(*tasks)


@pytest.mark.usefixtures("_soon")
async def test_an_order_that_does_not_leave_gives_its_place_to_the_next() -> None:
    way = RightOfWay()
    tasks = await settled(way, *ORDERS)
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*tasks)


async def test_whoever_stops_waiting_takes_no_turn_along() -> None:
    way = RightOfWay()
    tasks = await settled(way, *ORDERS)
    way.left(ORDERS[0])  # the first in the queue is called, and gives up before it comes
    tasks[PREPARED_AT_ONCE].cancel()
    for order in ORDERS[1:PREPARED_AT_ONCE]:
        way.left(order)
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*tasks[PREPARED_AT_ONCE + 1 :])


async def looking(way: RightOfWay, begun: list[int], number: int, over: asyncio.Event) -> None:
    """Look after an account until `over`."""
    async with way.look():
        begun.append(number)
        await over.wait()


async def test_few_accounts_are_looked_after_at_once_and_none_begins_when_orders_come() -> None:
    way, over, begun = RightOfWay(), asyncio.Event(), list[int]()
    looks = [asyncio.create_task(looking(way, begun, number, over)) for number in range(LOOKS_AT_ONCE * 2)]
    await asyncio.sleep(0.01)
    assert begun == list(range(LOOKS_AT_ONCE))
    way.expect("an order")
    over.set()  # the first are done, and an order has come meanwhile
    await asyncio.sleep(0.01)
    assert begun == list(range(LOOKS_AT_ONCE))
    way.left("an order")
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*looks)
    assert sorted(begun) == list(range(LOOKS_AT_ONCE * 2))


@pytest.mark.usefixtures("_soon")
async def test_no_account_is_left_alone_for_long_because_orders_come_without_end() -> None:
    way, looked = RightOfWay(), asyncio.Event()

    async def look() -> None:
        async with way.look():
            looked.set()

    looking = asyncio.create_task(look())
    number = 0
    async with asyncio.timeout(_AT_ONCE):
        while not looked.is_set():
            way.expect(f"order {number}")
            await asyncio.sleep(0.02)
            way.expect(f"order {number + 1}")  # so that there is always one
            way.left(f"order {number}")
            number += 1
    await looking


async def test_a_look_that_fails_or_is_given_up_leaves_its_place() -> None:
    way = RightOfWay()
    for _ in range(LOOKS_AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            async with way.look():
                raise ZeroDivisionError
        waiting = asyncio.create_task(looking(way, [], 0, asyncio.Event()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(_AT_ONCE), way.look():
        pass
