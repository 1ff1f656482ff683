"""Nonces of one key: strictly rising, whatever becomes of Redis, its data and its clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.contracts import keys
from tests.support.leases import take_over

KEY = keys.nonce("alice", "fp")


def micros() -> int:
    """The clock in microseconds, as an executor takes it at its start."""
    return time.time_ns() // 1000


def counter(bus: Bus, lease: Lease, floor: int = 0) -> NonceCounter:
    """Return the counter of alice's key."""
    return NonceCounter(bus, lease, "alice", "fp", floor=floor)


async def test_a_missing_counter_begins_with_the_clock_in_microseconds(bus: Bus, lease: Lease) -> None:
    before = micros()
    assert before < await counter(bus, lease).next() < before + 60_000_000


async def test_nonces_follow_one_another(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    first = await nonces.next()
    assert [await nonces.next() for _ in range(3)] == [first + 1, first + 2, first + 3]
    assert nonces.floor == first + 3


async def test_fifty_tasks_at_once_get_distinct_rising_nonces(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)

    async def take() -> list[int]:
        return [await nonces.next() for _ in range(4)]

    taken = await asyncio.gather(*(take() for _ in range(50)))
    for own in taken:
        assert own == sorted(own)
    every = sorted(nonce for own in taken for nonce in own)
    assert every == list(range(every[0], every[0] + 200))


async def test_two_users_and_two_keys_have_counters_of_their_own(bus: Bus, lease: Lease) -> None:
    first = await counter(bus, lease).next()
    other = NonceCounter(bus, lease, "alice", "other", floor=0)
    await other.next(advance=10_000_000_000)
    assert await counter(bus, lease).next() == first + 1


async def test_no_nonce_is_below_the_floor_even_if_the_clock_of_redis_is_behind(bus: Bus, lease: Lease) -> None:
    ahead = micros() + 3_600_000_000
    assert await counter(bus, lease, ahead).next() == ahead + 1
    assert await counter(bus, lease).next() == ahead + 2


async def test_a_counter_ahead_of_the_floor_goes_on_from_where_it_is(bus: Bus, lease: Lease) -> None:
    ahead = micros() + 3_600_000_000
    await bus.do("SET", KEY, ahead)
    assert await counter(bus, lease, micros()).next() == ahead + 1


async def test_a_counter_that_was_set_back_does_not_set_back_its_owner(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    highest = await nonces.next()
    await bus.do("SET", KEY, "5")
    assert await nonces.next() > highest
    await bus.do("DEL", KEY)
    assert await nonces.next() > highest + 1


async def test_a_successor_starts_above_its_predecessor(bus: Bus, lease: Lease) -> None:
    highest = await counter(bus, lease).next(advance=5)
    newer = await take_over(bus)
    assert await counter(bus, newer, micros()).next() > highest


async def test_a_flush_fences_the_owner_and_its_successor_starts_above(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease, micros())
    highest = await nonces.next()
    await bus.do_everywhere("FLUSHALL")
    with pytest.raises(LeaseLost):
        await nonces.next()
    newer = await acquire(bus, "alice", "second")
    assert newer is not None
    assert await counter(bus, newer).next() > highest


async def test_an_advance_lifts_the_counter_once(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    first = await nonces.next()
    advanced = await nonces.next(advance=10_000_000_000)
    assert advanced >= first + 10_000_000_001
    assert await nonces.next() == advanced + 1


async def test_an_advance_begins_at_the_clock_at_least(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    await nonces.next()
    await bus.do("SET", KEY, "5")
    nonces.floor = 0
    assert await nonces.next(advance=1) > micros() - 60_000_000


@pytest.mark.parametrize("lost", ["DEL", "SET"])
async def test_an_advance_counts_from_the_floor_where_the_counter_was_lost_or_set_back(
    bus: Bus, lease: Lease, lost: str
) -> None:
    nonces = counter(bus, lease, micros() + 3_600_000_000)
    first = await nonces.next()
    await bus.do(lost, KEY, *(["7"] if lost == "SET" else []))
    assert await nonces.next(advance=1_000) == first + 1_001


async def test_an_advance_of_a_missing_counter_counts_from_the_clock(bus: Bus, lease: Lease) -> None:
    before = micros()
    assert await counter(bus, lease).next(advance=1_000_000_000) > before + 1_000_000_000


async def test_who_is_not_the_owner_any_more_gets_none_and_changes_nothing(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    await nonces.next()
    stands = await bus.do("GET", KEY)
    await take_over(bus)
    with pytest.raises(LeaseLost, match="another process serves alice now"):
        await nonces.next(advance=50)
    assert await bus.do("GET", KEY) == stands


async def test_the_nonces_taken_along_with_an_order_are_asked_with_before_any_later_one(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    first = await nonces.next()
    await bus.do("INCRBY", KEY, 3)
    nonces.used(first + 1, spare=2)
    assert nonces.taken == first + 3
    assert [await nonces.next() for _ in range(3)] == [first + 2, first + 3, first + 4]
    nonces.used(first + 5, spare=2)
    assert await nonces.next(advance=1) > first + 7  # after a refusal none of them will do


async def test_a_nonce_taken_along_is_not_used_once_the_lease_has_run_out(bus: Bus, lease: Lease) -> None:
    nonces = counter(bus, lease)
    nonces.used(await nonces.next(), spare=1)
    await take_over(bus)
    lease.invalidate()
    with pytest.raises(LeaseLost):
        await nonces.next()
