"""Commands in a cluster: each to the owner of its slot, again only if it has not run, and the answers in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from redis.exceptions import ResponseError

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused, BusUnavailable
from shared.bus.scripts import load
from tests.unit.bus.topology.fake_cluster import FakeCluster

A, B, C = "{a}", "{b}", "{c}"


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Three nodes with a slot each; commands without a key go to the first."""
    found = FakeCluster(3, A, B, C)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


@pytest.fixture
async def bus(cluster: FakeCluster) -> AsyncIterator[Bus]:
    connected = cluster.connect()
    try:
        yield connected
    finally:
        await connected.close()


async def test_each_command_goes_to_the_owner_of_its_slot_and_answers_keep_their_order(
    cluster: FakeCluster, bus: Bus
) -> None:
    commands = [("SET", f"{tag}:{number}", f"{tag}{number}") for number in range(3) for tag in (A, B, C)]
    assert await bus.do_all(commands) == ["OK"] * 9
    answers = await bus.do_all([("GET", f"{C}:1"), ("GET", f"{A}:2"), ("ECHO", "owed"), ("GET", f"{B}:0")])
    assert answers == ["{c}1", "{a}2", "ran", "{b}0"]
    for tag in (A, B, C):
        assert sorted(cluster.node_of(tag).kept) == [f"{tag}:0", f"{tag}:1", f"{tag}:2"]


async def test_commands_of_one_slot_run_in_their_order(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do_all([("SET", A, number) for number in range(50)])
    assert [words[2] for words in cluster.node_of(A).ran] == [str(number) for number in range(50)]


async def test_a_moved_slot_costs_one_redirect_and_the_command_runs_once(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do("SET", A, "1")
    cluster.move(A, cluster.nodes[2])
    former, now = cluster.nodes[0], cluster.nodes[2]
    assert await bus.do_all([("SET", A, "2"), ("GET", A), ("GET", B)]) == ["OK", "2", None]
    assert [words for words in now.ran if words[1] == A] == [("SET", A, "2"), ("GET", A)]
    assert [words for words in former.ran if words[1] == A] == [("SET", A, "1")]
    assert bus.node_of(A) == f"127.0.0.1:{now.port}"


async def test_a_key_that_is_being_moved_is_asked_for_where_it_goes(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do("SET", f"{A}:1", "1")
    source, to = cluster.nodes[0], cluster.nodes[1]
    cluster.asked = {next(iter(cluster.owners)): to}
    assert await bus.do_all([("SET", f"{A}:2", "2"), ("GET", f"{A}:1")]) == ["OK", "1"]
    assert (source.kept, to.kept) == ({f"{A}:1": "1"}, {f"{A}:2": "2"})
    assert bus.node_of(A) == f"127.0.0.1:{source.port}"  # the slot itself has not moved


async def test_a_script_on_keys_that_are_just_moved_waits_a_moment_and_runs_once(
    cluster: FakeCluster, bus: Bus
) -> None:
    await bus.do("SET", A, "1")
    cluster.try_again = {next(iter(cluster.owners)): 3}
    assert await bus.run(load("renew"), [A, f"{A}:fence"], ["me"]) == "ran"
    assert len([words for words in cluster.node_of(A).ran if words[0] == "EVALSHA"]) == 1
    assert cluster.try_again == {next(iter(cluster.owners)): 0}


async def test_a_script_that_is_refused_for_too_long_is_an_outage(cluster: FakeCluster) -> None:
    bus = cluster.connect(timeout=0.2)
    try:
        cluster.try_again = {next(iter(cluster.owners)): 10_000}
        with pytest.raises(BusUnavailable, match="TRYAGAIN"):
            await bus.run(load("renew"), [A, f"{A}:fence"], ["me"])
    finally:
        await bus.close()


async def test_a_script_on_keys_of_two_slots_is_refused_before_anything_is_sent(cluster: FakeCluster, bus: Bus) -> None:
    with pytest.raises(BusRefused, match="CROSSSLOT"):
        await bus.run(load("renew"), [A, B], ["me"])
    refused, ran = await bus.do_all([("DEL", A, B), ("SET", C, "1")])
    assert isinstance(refused, ResponseError)
    assert ran == "OK"
    with pytest.raises(BusRefused, match="CROSSSLOT"):
        await bus.read("XREADGROUP", "GROUP", "g", "g", "STREAMS", A, B, ">", ">")
    assert [words for node in cluster.nodes for words in node.ran] == [("SET", C, "1")]


async def test_reads_of_many_keys_are_split_and_joined(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do_all([("SET", A, "1"), ("SET", f"{A}:x", "2"), ("SET", C, "3")])
    assert await bus.do("MGET", C, A, B, f"{A}:x") == ["3", "1", None, "2"]
    assert await bus.do("EXISTS", A, B, C, f"{A}:x") == 3
    answers = await bus.do_all([("GET", A), ("MGET", B, C), ("EXISTS", A, B), ("GET", C)])
    assert answers == ["1", [None, "3"], 1, "3"]
    entries = [["1-0", ["a", "1"]]]
    read = await bus.do("XREAD", "COUNT", 9, "STREAMS", A, B, C, "0-0", "0-0", "0-0")
    assert sorted(read) == [[A, entries], [C, entries]]
    assert await bus.do("XREAD", "COUNT", 9, "STREAMS", B, "{b}2", "0-0", "0-0") is None


async def test_blocking_reads_follow_their_streams_slot(cluster: FakeCluster, bus: Bus) -> None:
    words = ("XREADGROUP", "GROUP", "g", "g", "COUNT", 1, "BLOCK", 1, "STREAMS")

    async def served_by(key: str) -> int:
        ((_, ((_, (_, port)),)),) = await bus.read(*words, key, ">")
        return int(port)

    await bus.do("SET", A, "1")
    await bus.do("SET", B, "1")
    assert [await served_by(key) for key in (A, B)] == [cluster.nodes[0].port, cluster.nodes[1].port]
    cluster.move(A, cluster.nodes[2])
    assert await served_by(A) == cluster.nodes[2].port
    cluster.asked = {list(cluster.owners)[1]: cluster.nodes[0]}
    assert await served_by("{b}2") == cluster.nodes[0].port


async def test_a_lost_node_fails_its_commands_and_no_others(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do_all([("SET", A, "1"), ("SET", B, "1")])
    await cluster.nodes[1].stop()
    with pytest.raises(BusUnavailable):
        await bus.do("SET", B, "2")
    assert await bus.do("SET", A, "2") == "OK"
    cluster.owners[list(cluster.owners)[1]] = cluster.nodes[2]  # its replica takes over
    async with asyncio.timeout(30):
        while B not in cluster.nodes[2].kept:
            with suppress(BusUnavailable):
                await bus.do("SET", B, "3")
            await asyncio.sleep(0.01)
    assert [words for words in cluster.nodes[2].ran if words[1] == B] == [("SET", B, "3")]


async def test_a_command_that_may_have_run_is_not_sent_again(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do("SET", B, "1")
    sending = asyncio.create_task(bus.do("SET", B, "2"))
    await asyncio.sleep(0)
    await cluster.nodes[1].stop()
    await cluster.nodes[1].start()
    with pytest.raises(BusUnavailable):
        await sending
    assert [words[2] for words in cluster.nodes[1].ran] in (["1"], ["1", "2"])


async def test_of_several_maps_the_one_of_the_latest_epoch_is_believed(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do("SET", A, "1")
    former = dict(cluster.owners)
    cluster.nodes[1].view = lambda: former  # it is cut off from the others
    cluster.move(A, cluster.nodes[2])
    for node in (cluster.nodes[0], cluster.nodes[2]):
        node.epoch = 7
    assert await bus.do("GET", A) == "1"
    await asyncio.sleep(0.25)  # the map is read at most five times a second
    await bus.scan("*")  # has it read
    assert bus.node_of(A) == f"127.0.0.1:{cluster.nodes[2].port}"


async def test_the_loss_of_a_node_is_heard_where_it_matters(cluster: FakeCluster, bus: Bus) -> None:
    await bus.do_all([("SET", A, "1"), ("SET", B, "1")])
    at_a, at_b, anywhere = (asyncio.create_task(bus.until_lost(node)) for node in (bus.node_of(A), bus.node_of(B), ""))
    await asyncio.sleep(0)
    await cluster.nodes[1].stop()
    for task in (at_b, anywhere):
        with pytest.raises(BusUnavailable):
            await task
    assert not at_a.done()
    at_a.cancel()


async def test_a_scan_looks_at_every_node_and_finds_a_key_that_moves_to_one_that_was_looked_at(
    cluster: FakeCluster, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bus.do_all([("SET", A, "1"), ("SET", B, "1"), ("SET", C, "1")])
    assert set(await bus.scan("*")) == {A, B, C}
    scans = 0
    refusal = FakeCluster.refusal

    def moving(self: FakeCluster, node: object, words: list[str], *, asking: bool) -> str:
        nonlocal scans
        if words[0] == "SCAN":
            scans += 1
            if scans == 2:  # the first node was looked at; the others give it what they have
                for tag in (B, C):
                    self.move(tag, cluster.nodes[0])
        return refusal(self, node, words, asking=asking)  # type: ignore[arg-type]  # the fake's own

    monkeypatch.setattr(FakeCluster, "refusal", moving)
    assert set(await bus.scan("*")) == {A, B, C}


async def test_replicas_are_waited_for_where_there_are_any(cluster: FakeCluster) -> None:
    cluster.replicas = [["127.0.0.1", 1, "id"]]
    bus = cluster.connect()
    try:
        await bus.do_all([("SET", A, "1"), ("SET", B, "1")])
        await bus.replicate()
        assert [node.ran[-1][0] for node in cluster.nodes[:2]] == ["WAIT", "WAIT"]
        assert cluster.nodes[2].ran == []  # nothing was written there
    finally:
        await bus.close()


async def test_no_node_that_answers_is_an_outage_in_one_line(cluster: FakeCluster, bus: Bus) -> None:
    await cluster.stop()
    with pytest.raises(BusUnavailable, match="no node of the cluster answers") as error:
        await bus.do("SET", A, "1")
    assert "\n" not in str(error.value)
    with pytest.raises(BusUnavailable):
        bus.node_of(A)
