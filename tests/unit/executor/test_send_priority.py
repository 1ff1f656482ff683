"""Orders go first and few at a time, but nothing waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from services.executor.turn import send_priority
from services.executor.turn.send_priority import LOOKS_AT_ONCE, PREPARED_AT_ONCE, SendPriority

ORDERS = [str(number) for number in range(PREPARED_AT_ONCE + 3)]


@pytest.fixture(autouse=True)
def _never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time-out take part: where the order of things counts, a machine that stalls must not change it."""
    monkeypatch.setattr(send_priority, "PATIENCE", 3_600.0)
    monkeypatch.setattr(send_priority, "LONGEST", 3_600.0)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch, _never: None) -> None:
    monkeypatch.setattr(send_priority, "PATIENCE", 0.1)
    monkeypatch.setattr(send_priority, "LONGEST", 0.3)


_AT_ONCE = 10.0
"""Far below the hour, far above any stall."""


async def settled(priority: SendPriority, *orders: str) -> list[asyncio.Task[None]]:
    """Have orders ask for a place, and let everybody run who can."""
    tasks = [asyncio.create_task(priority.acquire(order)) for order in orders]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_nobody_waits_while_no_order_is_about_to_leave() -> None:
    async with asyncio.timeout(_AT_ONCE):
        await SendPriority().yield_to_sends()


async def test_whoever_can_wait_waits_until_the_last_order_has_left() -> None:
    priority = SendPriority()
    priority.announce("one")
    priority.announce("two")
    waiting = asyncio.create_task(priority.yield_to_sends())
    priority.release("one")
    priority.release("one")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    priority.release("two")
    await asyncio.sleep(0.01)
    assert waiting.done()


async def test_an_order_that_is_expected_again_is_one_order() -> None:
    priority = SendPriority()
    priority.announce("one")
    priority.announce("one")
    priority.release("one")
    async with asyncio.timeout(_AT_ONCE):
        await priority.yield_to_sends()


@pytest.mark.usefixtures("_soon")
async def test_an_order_that_does_not_leave_holds_nobody_up_twice() -> None:
    priority = SendPriority()
    priority.announce("stuck")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(priority.yield_to_sends() for _ in range(100)))
    assert send_priority.LONGEST - 0.01 <= loop.time() - began < send_priority.LONGEST * 50  # together, not in turn
    again = asyncio.create_task(priority.yield_to_sends())
    await asyncio.sleep(0)
    assert again.done()


async def test_few_are_prepared_at_once_and_the_next_enters_in_order_when_one_has_left() -> None:
    priority = SendPriority()
    tasks = await settled(priority, *ORDERS)
    assert [task.done() for task in tasks] == [True] * PREPARED_AT_ONCE + [False] * 3
    priority.release(ORDERS[5])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in tasks[PREPARED_AT_ONCE:]] == [True, False, False]
    for order in ORDERS:
        priority.release(order)
    await asyncio.gather(*tasks)


@pytest.mark.usefixtures("_soon")
async def test_an_order_that_does_not_leave_gives_its_place_to_the_next() -> None:
    priority = SendPriority()
    tasks = await settled(priority, *ORDERS)
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*tasks)


async def test_whoever_stops_waiting_takes_no_turn_along() -> None:
    priority = SendPriority()
    tasks = await settled(priority, *ORDERS)
    priority.release(ORDERS[0])  # the first in the queue is called, and gives up before it comes
    tasks[PREPARED_AT_ONCE].cancel()
    for order in ORDERS[1:PREPARED_AT_ONCE]:
        priority.release(order)
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*tasks[PREPARED_AT_ONCE + 1 :])


async def looking(priority: SendPriority, begun: list[int], number: int, over: asyncio.Event) -> None:
    """Look after an account until `over`."""
    async with priority.look():
        begun.append(number)
        await over.wait()


async def test_few_accounts_are_looked_after_at_once_and_none_begins_when_orders_come() -> None:
    priority, over, begun = SendPriority(), asyncio.Event(), list[int]()
    looks = [asyncio.create_task(looking(priority, begun, number, over)) for number in range(LOOKS_AT_ONCE * 2)]
    await asyncio.sleep(0.01)
    assert begun == list(range(LOOKS_AT_ONCE))
    priority.announce("an order")
    over.set()  # the first are done, and an order has come meanwhile
    await asyncio.sleep(0.01)
    assert begun == list(range(LOOKS_AT_ONCE))
    priority.release("an order")
    async with asyncio.timeout(_AT_ONCE):
        await asyncio.gather(*looks)
    assert sorted(begun) == list(range(LOOKS_AT_ONCE * 2))


@pytest.mark.usefixtures("_soon")
async def test_no_account_is_left_alone_for_long_because_orders_come_without_end() -> None:
    priority, looked = SendPriority(), asyncio.Event()

    async def look() -> None:
        async with priority.look():
            looked.set()

    looking = asyncio.create_task(look())
    number = 0
    async with asyncio.timeout(_AT_ONCE):
        while not looked.is_set():
            priority.announce(f"order {number}")
            await asyncio.sleep(0.02)
            priority.announce(f"order {number + 1}")  # so that there is always one
            priority.release(f"order {number}")
            number += 1
    await looking


async def test_a_look_that_fails_or_is_given_up_leaves_its_place() -> None:
    priority = SendPriority()
    for _ in range(LOOKS_AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            async with priority.look():
                raise ZeroDivisionError
        waiting = asyncio.create_task(looking(priority, [], 0, asyncio.Event()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(_AT_ONCE), priority.look():
        pass
