"""Leases that are kept together: each as long as it is ours, and not a moment longer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable, LeaseLost
from shared.bus.ownership import renewals as subject
from shared.bus.ownership.lease import RENEW_EVERY, TTL_MS, Lease, acquire
from shared.bus.ownership.renewals import Renewals
from shared.contracts import keys
from tests.support.leases import take_over
from tests.support.redis_server import RedisServer

PATIENCE = 60.0


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew as often as can be."""
    monkeypatch.setattr(subject, "RENEW_EVERY", 0.01)


async def work_for_ever() -> None:
    await asyncio.Event().wait()


async def take(bus: Bus, holder: str) -> Lease:
    lease = await acquire(bus, holder, "first")
    assert lease is not None
    return lease


async def until_renewed(bus: Bus, *holders: str) -> None:
    """Wait until leases last longer again than they did."""
    for holder in holders:
        await bus.do("PEXPIRE", keys.lease(holder), TTL_MS - 5_000)
    for _ in range(int(PATIENCE * 100)):
        if all(
            left > TTL_MS - 5_000 for left in await bus.do_all([("PTTL", keys.lease(holder)) for holder in holders])
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("they were not renewed")


@pytest.mark.usefixtures("soon")
async def test_work_is_cancelled_when_the_lease_has_passed_on(bus: Bus, lease: Lease) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await take_over(bus)
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LeaseLost):
        await Renewals(bus).keep(lease, work())
    assert ended.is_set()


async def test_the_failure_of_the_work_is_the_one_that_is_told(bus: Bus, lease: Lease) -> None:
    async def work() -> None:
        raise BusUnavailable("gone")

    with pytest.raises(BusUnavailable, match="gone"):
        await Renewals(bus).keep(lease, work())


async def test_work_that_ends_ends_the_renewing(bus: Bus, lease: Lease) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    before = asyncio.all_tasks()
    await Renewals(bus).keep(lease, work())
    assert asyncio.all_tasks() == before


@pytest.mark.usefixtures("soon")
async def test_many_are_renewed_in_few_round_trips_and_one_that_is_lost_ends_alone(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals, sent = Renewals(bus), list[int]()
    do_all = bus.do_all

    async def counted(commands: Sequence[Command]) -> list[Any]:
        if all(isinstance(command, bytes) for command in commands):  # as `Lease.ask` gives them
            sent.append(len(commands))
        return await do_all(commands)

    monkeypatch.setattr(bus, "do_all", counted)
    users = [f"user-{number}" for number in range(300)]
    turns = {
        user: asyncio.create_task(renewals.keep(lease, work_for_ever()))
        for user, lease in [(user, await take(bus, user)) for user in users]
    }
    await asyncio.sleep(0)
    sent.clear()
    await until_renewed(bus, *users)
    assert max(sent) == len(users)
    await take_over(bus, holder="user-7")
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LeaseLost, match="user-7"):
            await turns.pop("user-7")
    await until_renewed(bus, "user-6", "user-8", "user-299")
    assert not any(turn.done() for turn in turns.values())
    for turn in turns.values():
        turn.cancel()
    await asyncio.gather(*turns.values(), return_exceptions=True)
    assert renewals._at[""]._renewing is None


@pytest.mark.usefixtures("soon")
async def test_a_lease_that_was_handed_back_while_it_was_renewed_does_not_come_to_life_again(
    bus: Bus, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, asked, go_on = await take(bus, "bob"), asyncio.Event(), asyncio.Event()
    do_all = bus.do_all

    async def slow(commands: Sequence[Command]) -> list[Any]:
        answers = await do_all(commands)
        asked.set()
        await go_on.wait()
        return answers

    monkeypatch.setattr(bus, "do_all", slow)
    renewals = Renewals(bus)
    gone, stays = (asyncio.create_task(renewals.keep(each, work_for_ever())) for each in (lease, other))
    await asked.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await lease.release()
    go_on.set()
    await until_renewed(bus, "bob")
    assert lease.remaining <= 0
    stays.cancel()
    await asyncio.gather(stays, return_exceptions=True)


@pytest.mark.usefixtures("soon")
async def test_a_server_that_has_forgotten_its_scripts_is_told_them_again(own_bus: Bus) -> None:
    turn = asyncio.create_task(Renewals(own_bus).keep(await take(own_bus, "alice"), work_for_ever()))
    await until_renewed(own_bus, "alice")
    await own_bus.do("SCRIPT", "FLUSH")
    await until_renewed(own_bus, "alice")
    assert not turn.done()
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)


async def test_an_outage_ends_the_work_however_short_it_is(
    own_server: RedisServer, own_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was under way, and the lease would still stand: but what Redis holds may be older than what was done."""
    monkeypatch.setattr(subject, "_due_in", lambda _lease: 3_600.0)  # so that no renewal can be what finds out
    renewals, lease = Renewals(own_bus), await take(own_bus, "alice")
    turn = asyncio.create_task(renewals.keep(lease, work_for_ever()))
    await asyncio.sleep(0)
    own_server.kill()
    own_server.start()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(BusUnavailable, match="the connection was lost"):
            await turn
    with pytest.raises(LeaseLost):
        lease.require(0.1)
    await lease.release()
    again = asyncio.create_task(renewals.keep(await take(own_bus, "alice"), work_for_ever()))
    await own_bus.do("PING")
    assert not again.done()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


@pytest.mark.usefixtures("soon")
async def test_a_server_that_takes_no_commands_for_a_while_ends_the_work_only_before_the_lease_runs_out(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "_AFTER_OUTAGE", 0.01)
    asked, now = 0, 1_000.0
    lease = await acquire(bus, "alice", "first", lambda: now)
    assert lease is not None

    async def refusing(_: Sequence[Command]) -> list[Any]:
        nonlocal asked, now
        asked += 1
        now += 4.0
        raise BusUnavailable("LOADING")

    monkeypatch.setattr(bus, "do_all", refusing)
    monkeypatch.setattr(subject, "RENEW_EVERY", RENEW_EVERY)
    now += RENEW_EVERY
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LeaseLost, match=r"alice has .* s left"):
            await Renewals(bus).keep(lease, work_for_ever())
    assert asked == 2


@pytest.mark.usefixtures("soon")
async def test_a_surprise_in_the_renewing_is_told_to_all_who_work(
    bus: Bus, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprising() -> bytes:
        raise ValueError("a bug")

    monkeypatch.setattr(lease, "renewal_command", surprising)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ValueError, match="a bug"):
            await Renewals(bus).keep(lease, work_for_ever())
