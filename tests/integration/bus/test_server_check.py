"""What Shoal may run on is asked at the start, and said in one line (cases G1, S14)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.bus.connection import Bus, open_bus
from shared.config.errors import ConfigurationError
from shared.domain.durability import Durability
from tests.integration.bus.test_connection import Impostor, impostor  # noqa: F401  # a fixture
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer

_WRONG = [
    ("maxmemory-policy", "allkeys-lru", "set `maxmemory-policy noeviction`"),
    ("maxmemory-policy", "volatile-ttl", "set `maxmemory-policy noeviction`"),
    ("appendonly", "no", "set `appendonly yes`"),
    ("appendfsync", "everysec", "set `appendfsync always`"),
    ("appendfsync", "no", "set `appendfsync always`"),
]


async def refusal(url: str, durability: Durability = Durability.UNCHECKED) -> str:
    with pytest.raises(ConfigurationError) as refused:
        async with open_bus(url, "test", durability):
            pass
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("REDIS_URL: ")
    return str(refused.value)


async def warnings(url: str, durability: Durability) -> list[str]:
    with capture_logs() as said:
        async with open_bus(url, "test", durability):
            pass
    return [str(line["reason"]) for line in said]


@pytest.mark.parametrize(("setting", "value", "cure"), _WRONG)
async def test_a_redis_that_may_lose_orders_is_refused_in_live_mode_with_the_setting_to_change(
    own_server: RedisServer, own_bus: Bus, setting: str, value: str, cure: str
) -> None:
    await own_bus.do("CONFIG", "SET", setting, value)
    for durability in (Durability.REQUIRED, Durability.TRUSTED):
        words = await refusal(own_server.url, durability)
        assert f"{setting} is {value}" in words
        assert cure in words


@pytest.mark.parametrize(("setting", "value", "cure"), _WRONG)
async def test_a_redis_that_may_lose_orders_is_warned_of_once_in_paper_mode(
    own_server: RedisServer, own_bus: Bus, setting: str, value: str, cure: str
) -> None:
    await own_bus.do("CONFIG", "SET", setting, value)
    (words,) = await warnings(own_server.url, Durability.WARNED)
    assert cure in words
    assert await warnings(own_server.url, Durability.UNCHECKED) == []


async def test_a_redis_as_it_should_be_is_taken_without_a_word(own_server: RedisServer) -> None:
    for durability in Durability:
        assert await warnings(own_server.url, durability) == []


async def limited(bus: Bus, server: RedisServer, *rules: str) -> str:
    """Make a Redis user with these rules and give the URL to connect as that user."""
    await bus.do("ACL", "SETUSER", "managed", "reset", "on", "nopass", "~*", "+@all", *rules)
    return server.url.replace("redis://", "redis://managed:any@")


async def test_where_config_is_forbidden_info_is_asked(own_server: RedisServer, own_bus: Bus) -> None:
    url = await limited(own_bus, own_server, "-config")
    for durability in (Durability.REQUIRED, Durability.WARNED):
        (words,) = await warnings(url, durability)
        assert words.endswith("does not report appendfsync")
    await own_bus.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert "set `maxmemory-policy noeviction`" in await refusal(url, Durability.REQUIRED)
    await own_bus.do("CONFIG", "SET", "maxmemory-policy", "noeviction", "appendonly", "no")
    assert "set `appendonly yes`" in await refusal(url, Durability.REQUIRED)


async def test_where_neither_answers_live_mode_refuses_unless_a_setting_accepts_it(
    own_server: RedisServer, own_bus: Bus
) -> None:
    url = await limited(own_bus, own_server, "-config", "-info")
    words = await refusal(url, Durability.REQUIRED)
    assert "does not report appendonly, appendfsync, maxmemory-policy" in words
    assert "REDIS_UNCHECKED=accept" in words
    for durability in (Durability.TRUSTED, Durability.WARNED):
        assert len(await warnings(url, durability)) == 1


async def test_a_node_of_a_cluster_is_refused_in_one_line(tmp_path: Path) -> None:
    """Case S14."""
    server = RedisServer(tmp_path / "cluster", options={"cluster-enabled": "yes", "cluster-port": str(free_port())})
    server.start()
    try:
        assert "is a node of a Redis Cluster: write redis+cluster://" in await refusal(server.url)
        words = await refusal(f"redis+cluster://127.0.0.1:{server.port}/")
        assert words.endswith("no node of the cluster serves 16384 of its slots")
    finally:
        server.stop()


async def test_one_server_is_no_cluster_and_is_refused_in_one_line(own_server: RedisServer) -> None:
    words = await refusal(own_server.url.replace("redis://", "redis+cluster://"))
    assert "This instance has cluster support disabled" in words


async def test_replicas_that_may_be_behind_are_named_in_live_mode(
    own_server: RedisServer, own_bus: Bus, tmp_path: Path
) -> None:
    replica = RedisServer(tmp_path / "replica", options={"replicaof": f"127.0.0.1 {own_server.port}"})
    await own_bus.do("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica.start()
    try:
        with own_server.client() as client:
            await asyncio.to_thread(
                wait_for, lambda: client.info("replication")["connected_slaves"] == 1, 60, "the replica is there"
            )
        (words,) = await warnings(own_server.url, Durability.REQUIRED)
        assert "set `min-replicas-to-write 1`" in words
        assert await warnings(own_server.url, Durability.WARNED) == []
        await own_bus.do("CONFIG", "SET", "min-replicas-to-write", "1")
        assert await warnings(own_server.url, Durability.REQUIRED) == []
    finally:
        replica.stop()


async def test_a_replica_is_refused_in_one_line(own_server: RedisServer, own_bus: Bus) -> None:
    port = free_port()
    await own_bus.do("REPLICAOF", "127.0.0.1", port)
    words = await refusal(own_server.url)
    assert f"is a replica, which takes no writes; give the address of its primary (127.0.0.1:{port})" in words


@pytest.mark.parametrize("name", ["redis_mode", "server_mode"])
async def test_a_sentinel_is_refused_in_one_line(impostor: Impostor, name: str) -> None:  # noqa: F811
    """Case S14."""
    text = f"# Server\r\nredis_version:7.2.4\r\n{name}:sentinel\r\n"
    impostor.answers = [f"${len(text)}\r\n{text}\r\n".encode()]
    assert "is a Sentinel: name the primary that it watches, as in redis+sentinel://" in await refusal(
        f"redis://127.0.0.1:{impostor.port}/0"
    )


async def test_a_redis_that_is_busy_with_a_script_is_waited_for(impostor: Impostor) -> None:  # noqa: F811
    text = "# Server\r\nredis_version:7.2.4\r\n"
    impostor.answers = [b"-BUSY Redis is busy running a script.\r\n", f"${len(text)}\r\n{text}\r\n".encode()]
    async with open_bus(f"redis://127.0.0.1:{impostor.port}/0", "test"):
        pass
