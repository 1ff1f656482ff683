"""Who connects next: the user with the most orders lately, within the budget of the address and the places of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from services.executor.streams.orders_lately import HALF_LIFE, OrdersLately
from services.executor.streams.stream_places import StreamPlaces
from shared.bus.errors import BusUnavailable


class Budget:
    """A budget that a test opens: so many connects, of which idle users get the last `kept` not."""

    def __init__(self, left: int, kept: int = 0) -> None:
        self.left, self.kept = left, kept
        self.asked: list[bool] = []
        self.broken = False

    async def take(self, *, idle: bool) -> float:
        self.asked.append(idle)
        await asyncio.sleep(0)
        if self.broken:
            raise BusUnavailable("Redis is gone")
        if self.left <= (self.kept if idle else 0):
            return 600.0
        self.left -= 1
        return 0.0


class Account:
    def __init__(self, orders: int) -> None:
        self.orders = OrdersLately(lambda: 0.0)
        self.orders.note(orders)
        self.gave_up = 0

    def give_up_place(self) -> None:
        self.gave_up += 1


class Scene:
    """Accounts that ask for places; a pause of the places ends when the test says so."""

    def __init__(self, budget: Budget, most: int = 100) -> None:
        self.slept: list[float] = []
        self.more = asyncio.Event()
        self.places = StreamPlaces(budget, most=most, sleep=self._sleep)
        self.connected: list[Account] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, accounts: Iterable[Account]) -> None:
        self.tasks += [asyncio.create_task(self._one(each)) for each in accounts]
        await settle()

    async def later(self) -> None:
        self.more.set()
        await settle()

    async def _one(self, account: Account) -> None:
        await self.places.permit(account)
        self.connected.append(account)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.more.wait()
        self.more.clear()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene(Budget(100))
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_the_users_with_the_most_orders_connect_first() -> None:
    budget = Budget(2)
    scene = Scene(budget)
    few, many, some, none = Account(1), Account(9), Account(5), Account(0)
    await scene.ask([few, none, many, some])
    assert scene.connected == [many, some]
    busier = Account(20)
    await scene.ask([busier])
    budget.left = 2
    await scene.later()
    assert scene.connected == [many, some, busier, few]
    assert max(scene.slept) == 15.0, "the budget named ten minutes: by then another may have more orders"


async def test_idle_users_take_only_what_is_left_over() -> None:
    budget = Budget(10, kept=8)
    scene = Scene(budget)
    await scene.ask([Account(0) for _ in range(50)])
    assert len(scene.connected) == 2, "50 idle users do not use up what a busy one needs"
    busy = Account(1)
    await scene.ask([busy])
    assert scene.connected[2:] == [busy], "at once: it does not wait until the next look"


async def test_a_process_follows_only_so_many_and_an_idle_user_gives_its_place_to_a_busy_one() -> None:
    scene = Scene(Budget(100), most=2)
    idle, busy, busier = Account(0), Account(1), Account(2)
    await scene.ask([idle, busy])
    assert len(scene.connected) == 2
    await scene.ask([Account(0)])
    assert (len(scene.connected), idle.gave_up) == (2, 0), "one idle user does not displace another"
    await scene.ask([busier])
    await scene.later()
    assert scene.connected[2:] == [busier]
    assert (idle.gave_up, busy.gave_up) == (1, 0)


async def test_a_place_that_is_released_serves_the_next(scene: Scene) -> None:
    scene.places = StreamPlaces(Budget(100), most=1, sleep=scene._sleep)
    first, second = Account(3), Account(2)
    await scene.ask([first, second])
    assert scene.connected == [first]
    scene.places.release(first)
    await scene.later()
    assert scene.connected == [first, second]


async def test_who_stops_waiting_takes_no_place(scene: Scene) -> None:
    budget = Budget(0)
    scene.places = StreamPlaces(budget, most=1, sleep=scene._sleep)
    gone, other = Account(9), Account(1)
    await scene.ask([gone, other])
    scene.tasks[0].cancel()
    budget.left = 1
    await scene.later()
    assert scene.connected == [other]


async def test_an_unreachable_redis_lets_nobody_connect_and_is_asked_again(scene: Scene) -> None:
    budget = Budget(1)
    budget.broken = True
    scene.places = StreamPlaces(budget, sleep=scene._sleep)
    await scene.ask([Account(1)])
    assert (scene.connected, scene.slept) == ([], [5.0])
    budget.broken = False
    await scene.later()
    assert len(scene.connected) == 1


def test_orders_count_half_after_half_an_hour_and_are_forgotten_after_hours() -> None:
    now = 0.0
    lately = OrdersLately(lambda: now)
    assert lately.idle
    lately.note(4)
    now = HALF_LIFE
    assert lately.count == pytest.approx(2)
    lately.note()
    assert lately.count == pytest.approx(3)
    now += 5 * HALF_LIFE
    assert not lately.idle
    now += HALF_LIFE
    assert lately.idle


async def test_who_is_let_in_and_ends_at_the_same_moment_leaves_the_place_free() -> None:
    class EndsTheFirst(Budget):
        async def take(self, *, idle: bool) -> float:
            granted = await super().take(idle=idle)
            asyncio.get_running_loop().call_soon(ending.tasks[0].cancel)
            return granted

    ending = Scene(EndsTheFirst(100), most=1)
    await ending.ask([Account(5)])
    second = Account(3)
    await ending.ask([second])
    assert (ending.tasks[0].cancelled(), ending.connected) == (True, [second])
