"""How much a key calls: lookups wait, orders do not, and the venue's own count is heeded."""

from __future__ import annotations

import asyncio

import pytest

from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.errors import Unavailable


class Clock:
    """A steady clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> CoinbaseBudget:
    return CoinbaseBudget(monotonic=clock, sleep=clock.sleep)


async def test_a_burst_passes_and_then_a_few_a_second(budget: CoinbaseBudget, clock: Clock) -> None:
    for _ in range(11):
        await budget.admit_lookup()
    assert clock.slept == 0
    for _ in range(10):
        await budget.admit_lookup()
    assert clock.slept == pytest.approx(4.0)


async def test_orders_never_wait_and_the_lookups_after_them_do(budget: CoinbaseBudget, clock: Clock) -> None:
    for _ in range(20):
        budget.count()
    assert clock.slept == 0
    await budget.admit_lookup()
    assert clock.slept == pytest.approx(4.0)


async def test_a_patient_lookup_leaves_room_for_others(budget: CoinbaseBudget, clock: Clock) -> None:
    for _ in range(8):
        await budget.admit_lookup(patient=True)
    waited = clock.slept
    assert waited > 0
    for _ in range(4):
        await budget.admit_lookup()
    assert clock.slept == waited


async def test_a_queue_that_is_too_long_is_refused(budget: CoinbaseBudget) -> None:
    for _ in range(100):
        budget.count()
    with pytest.raises(Unavailable) as told:
        await budget.admit_lookup()
    assert told.value.retry_after > 30


@pytest.mark.parametrize(("remaining", "waits"), [(None, False), (29, False), (5, False), (4, True), (0, True)])
async def test_the_last_calls_that_the_venue_takes_are_left_to_orders(
    budget: CoinbaseBudget, clock: Clock, remaining: int | None, waits: bool
) -> None:
    budget.heed(remaining)
    await budget.admit_lookup()
    assert (clock.slept > 0) is waits


async def test_a_refused_call_makes_the_next_wait(budget: CoinbaseBudget, clock: Clock) -> None:
    assert budget.exceeded() == pytest.approx(0.8)
    await budget.admit_lookup()
    assert clock.slept == pytest.approx(0.8)


async def test_a_cancelled_wait_costs_nothing() -> None:
    clock, gate = Clock(), asyncio.Event()

    async def wait(_seconds: float) -> None:
        await gate.wait()

    budget = CoinbaseBudget(monotonic=clock, sleep=wait)
    for _ in range(11):
        await budget.admit_lookup()
    waiting = asyncio.create_task(budget.admit_lookup())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    clock.now = 0.4  # just one call later
    gate.set()
    await asyncio.wait_for(budget.admit_lookup(), 10)
    assert budget._meter.wait(1.0) == pytest.approx(0.4)


async def test_without_a_limit_nothing_waits_whatever_the_venue_says(clock: Clock) -> None:
    budget = CoinbaseBudget(limited=False, monotonic=clock, sleep=clock.sleep)
    budget.heed(0)
    assert budget.exceeded() == 0
    for _ in range(100):
        await budget.admit_lookup(patient=True)
        budget.count()
    assert clock.slept == 0
