"""What failures of Redis mean: an outage is waited out, a wrong address or an old server ends the start in one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.exceptions import ResponseError

from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusRefused, BusUnavailable
from shared.bus.ownership.lease import acquire
from shared.bus.scripts import load
from shared.config.errors import ConfigurationError
from shared.contracts import keys
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

_WAYS: dict[str, Callable[[Bus], Awaitable[object]]] = {
    "do": lambda bus: bus.do("INCR", "n"),
    "do_all": lambda bus: bus.do_all([("INCR", "n"), ("INCR", "m")]),
    "read": lambda bus: bus.read("XREAD", "BLOCK", 10, "STREAMS", "s", "0"),
    "run": lambda bus: bus.run(load("release"), [keys.lease("alice"), keys.fence("alice")], ["me", "1"]),
    "scan": lambda bus: bus.scan("*"),
}


class Impostor:
    """Listens where Redis should, and answers INFO with what the test says; everything else with OK."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the commands of one connection."""
        while count := await reader.readline():
            words = []
            for _ in range(int(count[1:])):
                await reader.readline()
                words.append((await reader.readline()).strip().upper())
            writer.write(self._answer(words[0]))
        writer.close()

    def _answer(self, command: bytes) -> bytes:
        if command == b"PING":
            return b"+PONG\r\n"
        if command != b"INFO":
            return b"+OK\r\n"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def info(version: str) -> bytes:
    """Write the reply to INFO of a server of that version."""
    text = f"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"
    return f"${len(text)}\r\n{text}\r\n".encode()


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    found = Impostor()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


async def refusal(url: str) -> str:
    """Open a bus and give the one line that refuses it."""
    with pytest.raises(ConfigurationError) as refused:
        async with open_bus(url, "test"):
            pass
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("REDIS_URL: ")
    return str(refused.value)


@pytest.mark.parametrize("way", _WAYS)
async def test_a_killed_server_is_unavailable_and_works_again_as_soon_as_it_is_back(
    own_server: RedisServer, own_bus: Bus, way: str
) -> None:
    await _WAYS[way](own_bus)
    own_server.kill()
    for _ in range(3):
        with pytest.raises(BusUnavailable):
            await _WAYS[way](own_bus)
    own_server.start()
    await _WAYS[way](own_bus)


async def test_a_read_that_waits_ends_as_an_outage_when_the_server_dies(own_server: RedisServer, own_bus: Bus) -> None:
    reading = asyncio.create_task(own_bus.read("XREAD", "BLOCK", 60_000, "STREAMS", "s", "0"))
    while "blocked_clients:1" not in str(await own_bus.do("INFO", "clients")):
        continue
    own_server.kill()
    with pytest.raises(BusUnavailable):
        await reading


async def test_what_was_written_before_a_crash_is_there_after_it(own_server: RedisServer, own_bus: Bus) -> None:
    entry_id = await own_bus.do("XADD", "s", "*", "a", "b")
    own_server.kill()
    own_server.start()
    async with open_bus(own_server.url, "test") as later:
        assert await later.do("XRANGE", "s", "-", "+") == [[entry_id, ["a", "b"]]]


async def test_a_server_that_has_become_a_replica_is_an_outage_for_every_kind_of_write(own_bus: Bus) -> None:
    await own_bus.do("REPLICAOF", "127.0.0.1", free_port())
    with pytest.raises(BusUnavailable, match="read only replica"):
        await own_bus.do("SET", "a", "b")
    with pytest.raises(BusUnavailable, match="read only replica"):
        await own_bus.do_all([("HGETALL", "nothing"), ("SET", "a", "b")])
    with pytest.raises(BusUnavailable, match="read only replica"):
        await acquire(own_bus, "alice", "me")
    await own_bus.do("REPLICAOF", "NO", "ONE")
    assert await own_bus.do("SET", "a", "b") == "OK"


async def test_a_server_whose_memory_is_full_is_an_outage_and_nothing_is_evicted(own_bus: Bus) -> None:
    await own_bus.do("SET", "kept", "value")
    await own_bus.do("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(BusUnavailable, match="maxmemory"):
        await own_bus.do("XADD", "s", "*", "a", "b")
    with pytest.raises(BusUnavailable, match="maxmemory"):
        await own_bus.do_all([("XADD", "s", "*", "a", "b")])
    with pytest.raises(BusUnavailable, match="maxmemory"):
        await acquire(own_bus, "alice", "me")
    await own_bus.do("CONFIG", "SET", "maxmemory", "0")
    assert await own_bus.do("GET", "kept") == "value"


async def test_a_server_that_misses_its_replicas_is_an_outage(own_bus: Bus) -> None:
    await own_bus.do("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(BusUnavailable, match="NOREPLICAS"):
        await own_bus.do("SET", "a", "b")
    with pytest.raises(BusUnavailable, match="NOREPLICAS"):
        await own_bus.do_all([("SET", "a", "b")])
    with pytest.raises(BusUnavailable, match="NOREPLICAS"):
        await acquire(own_bus, "alice", "me")


@pytest.mark.parametrize(
    "reply",
    [
        "MASTERDOWN Link with MASTER is down",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk",
        "LOADING Redis is loading the dataset in memory",
    ],
)
async def test_every_reply_about_the_servers_own_state_is_an_outage(impostor: Impostor, reply: str) -> None:
    impostor.answers = [info("7.2.4"), f"-{reply}\r\n".encode()]
    async with open_bus(f"redis://127.0.0.1:{impostor.port}/0", "test") as bus:
        for way in (bus.do("INFO"), bus.do_all([("INFO",)]), bus.read("INFO")):
            with pytest.raises(BusUnavailable):
                await way


async def test_a_refused_command_is_no_outage_and_does_not_stop_its_neighbours(bus: Bus) -> None:
    await bus.do("SET", "text", "x")
    with pytest.raises(BusRefused, match="WRONGTYPE"):
        await bus.do("HGETALL", "text")
    first, refused, last = await bus.do_all([("INCR", "n"), ("HGETALL", "text"), ("INCR", "n")])
    assert (first, last) == (1, 2)
    assert isinstance(refused, ResponseError)  # in a pipeline it stands in its place


async def test_a_script_that_the_server_has_forgotten_is_sent_again(bus: Bus) -> None:
    assert await acquire(bus, "alice", "me") is not None
    await bus.do("SCRIPT", "FLUSH")
    assert await acquire(bus, "bob", "me") is not None


async def test_a_read_waits_no_longer_than_it_was_told(bus: Bus) -> None:
    assert await bus.read("XREAD", "BLOCK", 20, "STREAMS", "s", "0") is None


async def test_a_scan_finds_every_key_of_its_pattern_and_no_other(bus: Bus) -> None:
    names = {f"shoal:order:{{alice}}:{number}" for number in range(1_200)}
    await bus.do_all([("SET", name, "x") for name in names])
    await bus.do("SET", "shoal:order:{alice-2}:1", "x")
    assert set(await bus.scan("shoal:order:{alice}:*")) == names


async def test_both_clients_are_named(bus: Bus) -> None:
    await bus.read("XREAD", "BLOCK", 1, "STREAMS", "s", "0")
    listed = str(await bus.do("CLIENT", "LIST"))
    assert "name=test:read " in listed
    assert "name=test:write " in listed


async def test_nothing_that_listens_is_said_in_one_line() -> None:
    port = free_port()
    assert f"no usable Redis at redis://127.0.0.1:{port}/0: " in await refusal(f"redis://127.0.0.1:{port}/0")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port", "redis://127.0.0.1:6379/0?socket_timeout=soon", "redsi://x"])
async def test_an_address_that_is_none_is_said_in_one_line(url: str) -> None:
    await refusal(url)


async def test_a_password_is_never_repeated(redis_server: RedisServer) -> None:
    words = await refusal(f"redis://:hunter22@127.0.0.1:{redis_server.port}/0")  # the server knows of no password
    assert "hunter22" not in words
    assert f"redis://***@127.0.0.1:{redis_server.port}/0" in words


@pytest.mark.parametrize("version", ["6.2.0", "6.2.14", "5.0.7", "2.8.9"])
async def test_a_server_that_is_too_old_is_said_in_one_line(impostor: Impostor, version: str) -> None:
    impostor.answers = [info(version)]
    url = f"redis://127.0.0.1:{impostor.port}/0"
    assert await refusal(url) == f"REDIS_URL: {url} is Redis {version}; Shoal needs Redis 7.0 or Valkey 8 or newer"


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.0.1", "10.1.0"])
async def test_a_server_that_is_new_enough_will_do(impostor: Impostor, version: str) -> None:
    impostor.answers = [info(version)]
    async with open_bus(f"redis://127.0.0.1:{impostor.port}/0", "test"):
        pass


async def test_a_server_that_replays_its_log_is_waited_for(impostor: Impostor) -> None:
    impostor.answers = [b"-LOADING Redis is loading the dataset in memory\r\n", info("7.2.4")]
    async with open_bus(f"redis://127.0.0.1:{impostor.port}/0", "test"):
        pass


async def test_something_that_is_no_redis_is_said_in_one_line(impostor: Impostor) -> None:
    impostor.answers = [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    assert "no usable Redis" in await refusal(f"redis://127.0.0.1:{impostor.port}/0")
