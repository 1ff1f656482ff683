"""Leases: one owner at a time, tokens that only rise, and an owner that stops before its time is up."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import TTL_MS, Lease, acquire
from shared.contracts import keys
from tests.support.leases import take_over
from tests.support.redis_server import RedisServer


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_lease_is_held_by_one_process_until_it_hands_it_back(bus: Bus, lease: Lease) -> None:
    assert await acquire(bus, "alice", "second") is None
    assert await acquire(bus, "bob", "second") is not None
    await lease.release()
    assert lease.remaining <= 0
    assert await acquire(bus, "alice", "second") is not None


async def test_of_many_that_try_at_once_one_gets_it(bus: Bus) -> None:
    taken = await asyncio.gather(*(acquire(bus, "alice", f"p{number}") for number in range(20)))
    assert sum(lease is not None for lease in taken) == 1


async def test_a_lease_that_nobody_renews_ends_by_itself(bus: Bus, lease: Lease) -> None:
    assert 0 < await bus.do("PTTL", keys.lease("alice")) <= TTL_MS


async def test_tokens_rise_with_every_take_over(bus: Bus, lease: Lease) -> None:
    tokens = [int(lease.token), *[int((await take_over(bus, owner=f"p{number}")).token) for number in range(3)]]
    assert tokens == sorted(set(tokens))


async def test_tokens_rise_after_redis_has_lost_everything(bus: Bus, lease: Lease) -> None:
    newer = await take_over(bus)
    await bus.do_everywhere("FLUSHALL")
    newest = await acquire(bus, "alice", "third")
    assert newest is not None
    assert int(lease.token) < int(newer.token) < int(newest.token)


async def test_a_first_owner_and_the_first_after_a_flush_know_that_they_are(bus: Bus, lease: Lease) -> None:
    assert lease.fresh
    assert not (await take_over(bus)).fresh
    await bus.do_everywhere("FLUSHALL")
    again = await acquire(bus, "alice", "third")
    assert again is not None
    assert again.fresh


async def test_the_start_of_a_lease_is_told_by_the_clock_of_redis(bus: Bus) -> None:
    began = await _redis_ms(bus)
    lease = await acquire(bus, "alice", "first")
    assert lease is not None
    assert began <= lease.since <= await _redis_ms(bus)


async def test_renewing_prolongs_it_at_the_server_and_here(bus: Bus) -> None:
    clock = Clock()
    lease = await acquire(bus, "alice", "first", clock)
    assert lease is not None
    await bus.do("PEXPIRE", keys.lease("alice"), 500)
    clock.now += 8
    assert lease.remaining == pytest.approx(4)
    began = await _redis_ms(bus)
    await lease.renew()
    assert lease.remaining == pytest.approx(12)
    assert began + TTL_MS <= await bus.do("PEXPIRETIME", keys.lease("alice")) <= await _redis_ms(bus) + TTL_MS


async def _redis_ms(bus: Bus) -> int:
    """Read Redis's clock."""
    seconds, micros = await bus.do("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def test_an_owner_stops_by_its_own_clock_before_the_server_takes_the_lease_away(bus: Bus) -> None:
    clock = Clock()
    lease = await acquire(bus, "alice", "first", clock)
    assert lease is not None
    lease.require(12)
    clock.now += 7
    lease.require(5)
    with pytest.raises(LeaseLost, match=r"the lease of alice has 5\.0 s left, 6\.0 s are needed"):
        lease.require(6)
    clock.now += 10
    with pytest.raises(LeaseLost, match=r"0\.0 s left"):
        lease.require(0)


async def test_a_lease_that_has_passed_on_cannot_be_renewed(bus: Bus, lease: Lease) -> None:
    newer = await take_over(bus)
    with pytest.raises(LeaseLost, match="another process serves alice"):
        await lease.renew()
    assert lease.remaining <= 0
    await newer.renew()


async def test_a_lease_that_ran_out_cannot_be_renewed_even_if_nobody_has_taken_it(bus: Bus, lease: Lease) -> None:
    await bus.do("DEL", keys.lease("alice"))
    with pytest.raises(LeaseLost):
        await lease.renew()


async def test_the_same_process_with_an_older_token_is_not_the_owner(bus: Bus, lease: Lease) -> None:
    await take_over(bus, owner="first")
    with pytest.raises(LeaseLost):
        await lease.renew()


async def test_handing_back_what_has_passed_on_takes_nothing_from_the_next_owner(bus: Bus, lease: Lease) -> None:
    newer = await take_over(bus)
    await lease.release()
    await newer.renew()


async def test_an_older_turn_of_the_same_process_does_not_hand_back_the_lease_of_the_newer_one(
    bus: Bus, lease: Lease
) -> None:
    """Case R8: a process that lost a turn (an outage, say) takes its lease again, and the old turn ends only then."""
    again = await acquire(bus, "alice", "first")
    assert again is not None
    await lease.release()
    assert await acquire(bus, "alice", "second") is None, "the newer turn's lease was handed back"
    await again.renew()
    await again.release()
    assert await acquire(bus, "alice", "second") is not None


async def test_handing_back_is_silent_when_redis_is_gone(own_server: RedisServer, own_bus: Bus) -> None:
    lease = await acquire(own_bus, "alice", "first")
    assert lease is not None
    own_server.kill()
    await lease.release()
    own_server.start()
