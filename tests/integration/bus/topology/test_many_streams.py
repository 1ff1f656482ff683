"""Streams of users at every node of a real cluster, read as one: at once, once, and without a connection or a poll for each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusForbidden, BusRefused, BusUnavailable
from shared.bus.flow.streams import Entry, Group
from shared.bus.topology.command_slot import slot_of_key
from shared.contracts import keys
from shared.contracts.access import EXECUTOR, rules
from tests.support.redis_cluster import RedisCluster

USERS = [f"user-{number}" for number in range(40)]
STREAMS = [keys.orders(user) for user in USERS]
PATIENCE = 90.0
LONG_MS = 60_000
"""Only a report ends such a read."""


def reads_of(cluster: RedisCluster) -> int:
    """Return how many reads of streams the nodes have run."""
    return sum(
        cluster.ask(node, "INFO", "commandstats").get("cmdstat_xreadgroup", {"calls": 0})["calls"]
        for node in cluster.primaries()
    )


async def until_quiet(cluster: RedisCluster, reading: asyncio.Task[list[Entry]]) -> int:
    """Wait until a read waits for reports alone; return how many there were until then."""
    before = -1
    async with asyncio.timeout(PATIENCE):
        while (now := await asyncio.to_thread(reads_of, cluster)) != before:
            before = now
            await asyncio.sleep(1.0)  # four polls at a node that does not report yet
    assert not reading.done()
    return now


async def test_many_streams_are_read_when_they_change_over_one_connection_to_each_node(
    cluster: RedisCluster, cluster_bus: Bus
) -> None:
    bus, group = cluster_bus, Group(cluster_bus, keys.EXECUTOR)
    await group.ensure(STREAMS)
    assert len({cluster.owner_of(stream).port for stream in STREAMS}) == 3
    reading = asyncio.create_task(group.read_new(STREAMS, 10, LONG_MS))
    polls = await until_quiet(cluster, reading)
    for number, stream in enumerate(STREAMS[:6]):
        await bus.do("XADD", stream, "*", "n", number)
        async with asyncio.timeout(PATIENCE):
            (entry,) = await reading
        assert (entry.stream, entry.fields) == (stream, {"n": str(number)})
        reading = asyncio.create_task(group.read_new(STREAMS, 10, LONG_MS))
    await asyncio.sleep(0.5)
    assert await asyncio.to_thread(reads_of, cluster) == polls + 6, "a stream was read that had not changed"
    names = [each["name"] for node in cluster.primaries() for each in cluster.ask(node, "CLIENT LIST")]
    assert names.count("test:changes") == 3
    assert names.count("test:read") == 0
    await bus.do_all([("XADD", stream, "*", "n", "all") for stream in STREAMS])
    found = Counter[str]()
    async with asyncio.timeout(PATIENCE):
        while found.total() < len(STREAMS):
            found.update(entry.stream for entry in await reading)
            reading = asyncio.create_task(group.read_new(STREAMS, 10, LONG_MS))
    assert set(found.values()) == {1}
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def until_reported(cluster: RedisCluster, group: Group) -> None:
    """Read until every node reports changes and nothing is left to be read."""
    reading = asyncio.create_task(group.read_new(STREAMS, 10, LONG_MS))
    await until_quiet(cluster, reading)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_more_entries_than_one_read_takes_are_read_by_the_next_ones(
    cluster: RedisCluster, cluster_bus: Bus
) -> None:
    group = Group(cluster_bus, keys.EXECUTOR)
    await group.ensure(STREAMS)
    await until_reported(cluster, group)
    await cluster_bus.do_all([("XADD", STREAMS[0], "*", "n", number) for number in range(5)])
    async with asyncio.timeout(PATIENCE):
        found = [[entry.fields["n"] for entry in await group.read_new(STREAMS, 2, LONG_MS)] for _ in range(3)]
    assert found == [["0", "1"], ["2", "3"], ["4"]]
    assert await group.read_new(STREAMS, 2, 100) == []


async def test_a_stream_of_another_type_is_an_error_that_costs_the_others_no_entry(cluster_bus: Bus) -> None:
    bus, group = cluster_bus, Group(cluster_bus, keys.EXECUTOR)
    await group.ensure(STREAMS[1:])
    await bus.do("SET", STREAMS[0], "not a stream")
    await bus.do("XADD", STREAMS[1], "*", "n", "1")
    (entry,) = await group.read_new(STREAMS, 10, 100)
    assert entry.stream == STREAMS[1]
    for _ in range(2):
        with pytest.raises(BusRefused, match="WRONGTYPE"):
            await group.read_new(STREAMS, 10, 100)
    await bus.do("DEL", STREAMS[0])  # the group is missing now: it is made again, as for one server
    assert await group.read_new(STREAMS, 10, 100) == []
    await bus.do("XADD", STREAMS[0], "*", "n", "2")
    async with asyncio.timeout(PATIENCE):
        assert [entry.fields["n"] for entry in await group.read_new(STREAMS, 10, LONG_MS)] == ["2"]


async def test_what_came_while_no_node_could_report_it_is_read_afterwards(
    cluster: RedisCluster, cluster_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.topology.stream_changes._DOUBT_AFTER", 1_000_000)
    group = Group(cluster_bus, keys.EXECUTOR)
    await group.ensure(STREAMS)
    await until_reported(cluster, group)

    def reporting() -> set[str]:
        return {
            each["id"]
            for node in cluster.primaries()
            for each in cluster.ask(node, "CLIENT LIST")
            if each["name"] == "test:changes" and "t" in each["flags"]
        }

    for node in cluster.primaries():
        for each in cluster.ask(node, "CLIENT LIST"):
            if each["name"] == "test:changes":
                cluster.ask(node, "CLIENT", "KILL", "ID", each["id"])
        for stream in STREAMS:
            if cluster.owner_of(stream) is node:
                cluster.ask(node, "XADD", stream, "1-1", "n", "1")
    async with asyncio.timeout(PATIENCE):
        while len(await asyncio.to_thread(reporting)) < 3:  # noqa: ASYNC110  # another process reports nothing
            await asyncio.sleep(0.05)
        found = [entry.stream for _ in range(3) for entry in await group.read_new(STREAMS, 10, 500)]
    assert sorted(found) == sorted(STREAMS)


class Reader:
    """Reads all streams as an executor does, with what is pending after each failure."""

    def __init__(self, bus: Bus) -> None:
        self._bus, self._group = bus, Group(bus, keys.EXECUTOR)
        self.found: dict[str, set[str]] = {stream: set() for stream in STREAMS}
        self.failures = 0
        self._lost = False

    async def run(self) -> None:
        while True:
            try:
                if self._lost:
                    for stream in STREAMS:
                        self._note(await self._group.all_pending(stream))
                    self._lost = False
                self._note(await self._group.read_new(STREAMS, 100, 2_000))
            except BusUnavailable:
                self.failures, self._lost = self.failures + 1, True
                await asyncio.sleep(0.05)

    def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.found[entry.stream].add(entry.fields["n"])


async def write(bus: Bus, number: int) -> None:
    """Write an entry of a number into every stream, once in the end."""
    for stream in STREAMS:
        while True:
            with suppress(BusUnavailable):
                await bus.do("XADD", stream, f"{number}-1", "n", str(number))
                break
            await asyncio.sleep(0.05)
            if str(number) in await entries_of(bus, stream):
                break


async def entries_of(bus: Bus, stream: str) -> set[str]:
    """Return the numbers that a stream has; asks until a node answers that it is the stream's."""
    while True:
        with suppress(BusUnavailable):
            return {fields[1] for _, fields in await bus.do("XRANGE", stream, "-", "+")}
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("harm", ["slots move", "a primary dies"])
async def test_what_comes_while_nodes_change_is_read_soon(
    cluster: RedisCluster, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.topology.stream_changes._DOUBT_AFTER", 1_000_000)  # not found by luck
    async with open_bus(cluster.url, "test") as bus, open_bus(cluster.url, "writer") as other:
        await Group(bus, keys.EXECUTOR).ensure(STREAMS)
        reader = Reader(bus)
        reading = asyncio.create_task(reader.run())
        await write(other, 1)
        first, second, _ = cluster.primaries()
        if harm == "slots move":
            slots = sorted({slot_of_key(stream) for stream in STREAMS if cluster.owner_of(stream) is first})
            moving = asyncio.create_task(asyncio.to_thread(cluster.move, slots, second, dwell=0.1))
        else:
            moving = asyncio.create_task(asyncio.to_thread(cluster.fail_over, first))
        number = 1
        while not moving.done() or number < 5:
            number += 1
            await write(other, number)
        await moving
        await write(other, number + 1)
        kept = {stream: await entries_of(other, stream) for stream in STREAMS}  # a dead primary loses its last writes
        if harm == "slots move":
            assert {len(found) for found in kept.values()} == {number + 1}
        async with asyncio.timeout(PATIENCE):
            while any(not reader.found[stream] >= kept[stream] for stream in STREAMS):
                assert not reading.done()
                await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_node_that_may_not_report_is_polled(cluster: RedisCluster) -> None:
    """An older ACL, or a proxy that does not know the command."""
    allowed = rules(EXECUTOR).replace("+client|tracking", "")
    for node in cluster.nodes:
        cluster.ask(node, "ACL", "SETUSER", "narrow", *allowed.split(), ">word")
        cluster.ask(node, "ACL", "SETUSER", "right", *rules(EXECUTOR).split(), ">word")
    for name, polled in (("narrow", True), ("right", False)):
        async with open_bus(cluster.url.replace("://", f"://{name}:word@"), "test") as bus:
            group = Group(bus, keys.EXECUTOR)
            await group.ensure(STREAMS)
            with pytest.raises(BusForbidden):
                await bus.do("XADD", STREAMS[3], "*", "n", name)
            reading = asyncio.create_task(group.read_new(STREAMS, 10, LONG_MS))
            if polled:
                await asyncio.sleep(1.0)
            else:
                await until_quiet(cluster, reading)
            before = await asyncio.to_thread(reads_of, cluster)
            await asyncio.sleep(1.0)
            assert (await asyncio.to_thread(reads_of, cluster) > before) is polled
            cluster.ask(cluster.owner_of(STREAMS[3]), "XADD", STREAMS[3], "*", "n", name)
            async with asyncio.timeout(PATIENCE):
                assert [entry.fields["n"] for entry in await reading] == [name]
