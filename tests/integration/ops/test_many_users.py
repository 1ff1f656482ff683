"""Commands with more users than fit on a page: a page for people, everything for programs, no scan of the keyspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from tests.bench.scale.world import World
from tests.integration.ops.command import Ran, ops
from tests.support.redis_server import RedisServer

USERS = 60


@pytest.fixture
async def world(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Sixty users with three decisions each."""
    found = World.of(USERS, 3)
    found.write_files(tmp_path)
    await found.write_redis(bus)
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    return found


async def _ops(server: RedisServer, *words: str) -> Ran:
    ran = await ops(server.url, *words, COLUMNS="200")
    assert ran.code in {0, 1}, ran.err
    return ran


async def test_status_shows_a_page_with_those_who_do_not_trade_first(world: World, redis_server: RedisServer) -> None:
    first = (await _ops(redis_server, "status")).out
    assert "60 users" in first
    assert "page 1 of 2" in first
    for user in ("user-00001", "user-00002", "user-00003", "user-00004"):  # parked, paused, stopped out, not served
        assert f"{user} " in first
    assert "user-00059" not in first
    assert "user-00059" in (await _ops(redis_server, "status", "--page", "2")).out
    found = (await _ops(redis_server, "status", "--json")).json
    assert len(found["users"]) == USERS
    assert len(found["nonces"]) == USERS
    assert len(found["streams"]) == USERS + 1


async def test_an_unknown_page_is_refused(world: World, redis_server: RedisServer) -> None:
    for command in ("status", "why", "streams", "drift"):
        ran = await ops(redis_server.url, command, "--page", "9")
        assert ran.code == 2, command
        assert "--page 9: there are" in ran.err


async def test_why_counts_all_users_and_shows_a_page(world: World, redis_server: RedisServer, bus: Bus) -> None:
    await bus.do("DEL", keys.orders("user-00059"), keys.reports("user-00059"))
    text = (await _ops(redis_server, "why")).out
    assert "59 filled, 1 none" in text
    assert "page 1 of 2 (60 rows)" in text
    assert "user-00059" in text, "who did not copy it comes first"
    assert len((await _ops(redis_server, "why", "--json")).json["users"]) == USERS


async def test_streams_and_drift_show_a_page_and_judge_all(world: World, redis_server: RedisServer, bus: Bus) -> None:
    text = (await _ops(redis_server, "streams", "--count", "1")).out
    assert "page 1 of 2" in text
    assert "{user-00049}" in text
    assert "{user-00050}" not in text
    await bus.do("DEL", keys.positions("master", "kraken"))
    drift = await _ops(redis_server, "drift")
    assert drift.code == 1
    assert "page 1 of 4" in drift.out
    strays = (await _ops(redis_server, "drift", "--json")).json["strays"]
    assert strays == 3 * (USERS - 2), "those who are switched off keep theirs"


async def test_commands_that_show_users_do_not_scan(world: World, redis_server: RedisServer, bus: Bus) -> None:
    for command in (
        ["status"], ["status", "--json"], ["control"], ["dead", "list"], ["unknown"],
        ["why"], ["positions"], ["pnl"], ["orders"], ["drift"], ["stopouts"], ["stages"], ["streams"], ["resting"],
        ["user", "list"], ["watch", "--count", "1"], ["log", "--user", "user-00007"], ["health", "copy-engine"],
    ):  # fmt: skip
        await bus.do("CONFIG", "RESETSTAT")
        await _ops(redis_server, *command)
        assert "cmdstat_scan:" not in str(await bus.do("INFO", "commandstats")), command
