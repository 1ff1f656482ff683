"""Shoal on a real Redis Cluster: slots that move under load, a primary that is killed, and orders whose keys are apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusUnavailable
from shared.bus.flow.streams import Group
from shared.bus.order.orders import OrderStore
from shared.bus.order.send_permit import SendPermit, SwitchSet
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.ownership.renewals import Renewals
from shared.bus.scripts import load
from shared.bus.topology.command_slot import slot_of_key
from shared.contracts import keys
from shared.domain.durability import Durability
from shared.domain.order import OrderState
from tests.support.redis_cluster import RedisCluster

USERS = [f"user-{number}" for number in range(40)]
PATIENCE = 90.0


async def take(bus: Bus, user: str) -> Lease:
    lease = await acquire(bus, user, "first")
    assert lease is not None
    return lease


async def test_orders_of_users_at_every_node_begin_under_switches_that_are_elsewhere(
    cluster: RedisCluster, cluster_bus: Bus
) -> None:
    bus = cluster_bus
    assert len({cluster.owner_of(keys.lease(user)).port for user in USERS}) == 3
    await bus.do("HSET", keys.prices("kraken"), "BTC/USD", "60000 1")
    by_symbol = keys.control_of_symbol("BTC/USD")
    for user in USERS[:12]:
        lease = await take(bus, user)
        store = OrderStore(bus, lease, user, "kraken")
        nonces = NonceCounter(bus, lease, user, "f", floor=1)
        switches = [keys.CONTROL, keys.control(user), by_symbol]
        for key in switches:
            await bus.do("HSET", key, "mode", "pause")
            assert isinstance(await store.begin("one", nonces, {"symbol": "BTC/USD"}, switches), SwitchSet)
            await bus.do("HSET", key, "mode", "run")
        assert await store.load("one") == {}
        assert isinstance(await store.begin("one", nonces, {"symbol": "BTC/USD"}, switches), SendPermit)
        await store.move("one", OrderState.ACCEPTED, {"symbol": "BTC/USD"}, note_price=True)
        record = await store.load("one")
        assert (record["state"], record["market"]) == ("accepted", "60000 1")


async def test_a_switch_that_cannot_be_read_stops_what_it_would_stop(cluster_bus: Bus) -> None:
    lease = await take(cluster_bus, "alice")
    store = OrderStore(cluster_bus, lease, "alice", "kraken")
    await cluster_bus.do("SET", keys.CONTROL, "of another type")
    assert isinstance(await store.begin("one", None, {}, [keys.CONTROL]), SwitchSet)
    assert isinstance(await store.begin_replay("one", "id", 1, [keys.CONTROL]), SwitchSet)


class Load:
    """Writes to and reads from every user's stream until it is over, and counts."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._group = Group(bus, keys.EXECUTOR)
        self.over = asyncio.Event()
        self.written, self.read = Counter[str](), Counter[str]()

    async def begin(self) -> list[asyncio.Task[None]]:
        """Begin both for every user."""
        await self._group.ensure([keys.orders(user) for user in USERS])
        for user in USERS:
            await self._bus.do("SET", keys.fence(user), "7")
        return [asyncio.create_task(work(user)) for user in USERS for work in (self._write, self._consume)]

    async def _write(self, user: str) -> None:
        names = [keys.fence(user), keys.totals(user, "kraken"), keys.risk(user, "kraken")]
        while not self.over.is_set():
            number = self.written[user] = self.written[user] + 1
            words: list[str | int] = ["7", 1, f"n{number}", "x", 2, "last", str(number)]
            assert await self._bus.run(load("put_fields"), names, words) == "ok"
            entry = f"{number}-1"
            assert await self._bus.do_all([("XADD", keys.orders(user), entry, "n", str(number))]) == [entry]
            await asyncio.sleep(0)

    async def _consume(self, user: str) -> None:
        stream = keys.orders(user)
        while not self.over.is_set() or self.read[user] < self.written[user]:
            try:
                found = await self._group.read_new([stream], 100, 200)
            except BusUnavailable:  # the stream was moved away under a blocked read
                found = await self._group.all_pending(stream)
            self.read[user] += len(found)
            await self._group.ack(stream, *(entry.id for entry in found))


async def test_slots_that_move_under_load_lose_and_double_nothing(cluster: RedisCluster, cluster_bus: Bus) -> None:
    bus, load_ = cluster_bus, Load(cluster_bus)
    tasks = await load_.begin()
    third = cluster.primaries()[2]
    slots = sorted({slot_of_key(keys.lease(user)) for user in USERS[::2]})
    await asyncio.to_thread(cluster.move, slots, third, dwell=0.05)
    load_.over.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    assert {cluster.owner_of(keys.lease(user)).port for user in USERS[::2]} == {third.port}
    for user in USERS:
        length, sums = await bus.do_all([("XLEN", keys.orders(user)), ("HLEN", keys.totals(user, "kraken"))])
        assert length == sums == load_.written[user] == load_.read[user]
    assert min(load_.written.values()) > 10


async def test_a_killed_primary_ends_the_leases_of_its_users_and_no_others(
    cluster: RedisCluster, cluster_bus: Bus
) -> None:
    bus, renewals = cluster_bus, Renewals(cluster_bus)
    turns = {
        user: asyncio.create_task(renewals.keep(await take(bus, user), asyncio.Event().wait()))  # type: ignore[arg-type]
        for user in USERS
    }
    await asyncio.sleep(0)
    dead = cluster.primaries()[1]
    theirs = {user for user in USERS if cluster.owner_of(keys.lease(user)) is dead}
    assert 0 < len(theirs) < len(USERS)
    await asyncio.to_thread(cluster.fail_over, dead)
    async with asyncio.timeout(PATIENCE):
        for user in theirs:
            with pytest.raises(BusUnavailable):
                await turns.pop(user)
    assert not [user for user, turn in turns.items() if turn.done()]
    async with asyncio.timeout(PATIENCE):
        for user in theirs:
            while True:
                with suppress(BusUnavailable):  # the first command may meet the dead node
                    await bus.do("SET", keys.fence(user), "9")  # the replica that took over takes writes
                    break
    for turn in turns.values():
        turn.cancel()
    await asyncio.gather(*turns.values(), return_exceptions=True)
    await asyncio.to_thread(cluster.start)  # the killed one comes back as a replica


async def test_a_lease_whose_slot_moves_ends(
    cluster: RedisCluster, cluster_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.ownership.renewals.RENEW_EVERY", 0.05)
    renewals = Renewals(cluster_bus)
    turn = asyncio.create_task(renewals.keep(await take(cluster_bus, "alice"), asyncio.Event().wait()))  # type: ignore[arg-type]
    await asyncio.sleep(0.2)
    assert not turn.done()
    to = next(node for node in cluster.primaries() if node is not cluster.owner_of(keys.lease("alice")))
    await asyncio.to_thread(cluster.move, [slot_of_key(keys.lease("alice"))], to)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(BusUnavailable, match="has moved"):
            await turn


async def test_a_live_service_is_told_of_replicas_that_may_be_behind(cluster: RedisCluster) -> None:
    async with open_bus(cluster.url, "test", Durability.REQUIRED) as bus:
        assert len(bus.cautions) == 3
        assert "set `min-replicas-to-write 1`" in bus.cautions[0]
    for node in cluster.nodes:
        cluster.ask(node, "CONFIG", "SET", "min-replicas-to-write", 1)
    async with open_bus(cluster.url, "test", Durability.REQUIRED) as bus:
        assert bus.cautions == ()
