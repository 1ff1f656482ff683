"""Orders go first, but nothing waits for ever."""

from __future__ import annotations

import asyncio

from services.executor import right_of_way
from services.executor.right_of_way import RightOfWay


async def test_nobody_waits_while_no_order_is_about_to_leave() -> None:
    async with asyncio.timeout(0.05):
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
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done()


async def test_an_order_that_does_not_leave_holds_nobody_up_twice() -> None:
    way = RightOfWay()
    way.expect("stuck")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(way.give_way() for _ in range(10)))
    waited = loop.time() - began
    assert right_of_way.PATIENCE <= waited < right_of_way.PATIENCE * 3
    async with asyncio.timeout(right_of_way.PATIENCE / 2):
        await way.give_way()


async def test_a_fresh_order_keeps_its_right_when_an_old_one_has_lost_it() -> None:
    now = [0.0]
    way = RightOfWay(lambda: now[0])
    way.expect("old")
    now[0] = 10.0
    way.expect("new")
    await way.give_way()
    waiting = asyncio.create_task(way.give_way())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    way.left("new")
    await waiting
