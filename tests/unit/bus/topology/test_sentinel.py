"""The primary that Sentinels name: the latest of what they say, never a replica, and left when they name another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusUnavailable
from shared.bus.topology import sentinel as subject
from shared.config.errors import ConfigurationError
from tests.unit.bus.topology.fake_server import FakeServer


class DataServer(FakeServer):
    """A primary or a replica that answers PING, and keeps a blocking read waiting."""

    def __init__(self, role: str) -> None:
        super().__init__(self._answer_to)
        self.role = role
        self.ran: list[str] = []

    def _answer_to(self, words: Sequence[str], before: str) -> object:
        name = words[0].upper()
        if name in {"CLIENT", "SELECT"}:
            return "+OK"
        if name == "INFO":
            return f"# Replication\r\nredis_version:8.0.0\r\nrole:{self.role}\r\nmaster_host:elsewhere\r\n"
        self.ran.append(name)
        return "-READONLY You can't write against a read only replica." if self.role == "slave" else "+PONG"


class Sentinel(FakeServer):
    """Names a primary, by the state of a configuration epoch."""

    def __init__(self, named: FakeServer, epoch: int = 1) -> None:
        super().__init__(self._answer_to)
        self.named = named
        self.epoch = epoch

    def _answer_to(self, words: Sequence[str], before: str) -> object:
        if words[0].upper() != "SENTINEL":
            return "+OK"
        if words[2] != "shoal":
            return None if words[1].startswith("GET") else "-ERR No such master with that name"
        if words[1] == "MASTER":
            return ["name", "shoal", "config-epoch", str(self.epoch)]
        return ["127.0.0.1", str(self.named.port)]


class Scene:
    """Two servers and three Sentinels that name the first."""

    def __init__(self) -> None:
        self.first, self.second = DataServer("master"), DataServer("slave")
        self.sentinels = [Sentinel(self.first) for _ in range(3)]

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/shoal"

    def switch(self, *sentinels: Sentinel) -> None:
        """Have Sentinels name the second server."""
        self.second.role = "master"
        for each in sentinels:
            each.named, each.epoch = self.second, 2


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    found = Scene()
    async with AsyncExitStack() as stack:
        for each in (found.first, found.second, *found.sentinels):
            await each.start()
            stack.push_async_callback(each.stop)
        yield found


@pytest.fixture
async def bus(scene: Scene) -> AsyncIterator[Bus]:
    async with open_bus(scene.url, "test") as connected:
        yield connected


async def test_commands_go_to_the_primary_that_is_named(scene: Scene, bus: Bus) -> None:
    assert await bus.do("PING") == "PONG"
    assert (scene.first.ran, scene.second.ran) == (["PING"], [])


async def test_one_sentinel_that_answers_is_enough(scene: Scene) -> None:
    for each in scene.sentinels[:2]:
        await each.stop()
    async with open_bus(scene.url, "test") as bus:
        assert await bus.do("PING") == "PONG"


async def test_of_several_sentinels_the_latest_configuration_counts(scene: Scene) -> None:
    scene.switch(scene.sentinels[2])
    async with open_bus(scene.url, "test") as bus:
        await bus.do("PING")
    assert (scene.first.ran, scene.second.ran) == ([], ["PING"])


async def test_a_replica_is_neither_written_to_nor_read_from(scene: Scene, bus: Bus) -> None:
    scene.first.role = "slave"  # demoted, and the Sentinels do not say so yet
    with pytest.raises(BusUnavailable):  # its own answer ends the connection
        await bus.do("PING")
    scene.first.ran.clear()
    with pytest.raises(BusUnavailable, match="is a replica"):
        await bus.do("PING")
    with pytest.raises(BusUnavailable, match="is a replica"):
        await bus.read("XREADGROUP", "GROUP", "g", "g", "STREAMS", "s", ">")
    assert scene.first.ran == []


async def test_connections_end_when_another_primary_is_named(
    scene: Scene, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former one is cut off from the Sentinels alone: it would take writes for ever."""
    monkeypatch.setattr(subject, "_EVERY", 0.01)
    await bus.do("PING")
    lost = asyncio.create_task(bus.until_lost())
    await asyncio.sleep(0)
    scene.switch(*scene.sentinels)
    async with asyncio.timeout(30):
        with pytest.raises(BusUnavailable):
            await lost
    assert await bus.do("PING") == "PONG"
    assert (scene.first.ran, scene.second.ran) == (["PING"], ["PING"])


async def test_a_new_connection_to_another_primary_ends_those_to_the_former(scene: Scene, bus: Bus) -> None:
    await bus.do("PING")
    await asyncio.sleep(0)
    scene.switch(*scene.sentinels)
    await bus.read("XREADGROUP", "GROUP", "g", "g", "STREAMS", "s", ">")
    assert await bus.do("PING") == "PONG"
    assert (scene.first.ran, scene.second.ran) == (["PING"], ["XREADGROUP", "PING"])


async def test_sentinels_that_are_away_change_nothing(scene: Scene, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_EVERY", 0.01)
    await bus.do("PING")
    for each in scene.sentinels:
        await each.stop()
    await asyncio.sleep(0.1)
    assert await bus.do("PING") == "PONG"


async def test_a_name_that_is_not_watched_is_refused_in_one_line(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match=r"no Sentinel names the primary other") as refused:
        async with open_bus(scene.url.replace("/shoal", "/other"), "test"):
            pass
    assert "\n" not in str(refused.value)
