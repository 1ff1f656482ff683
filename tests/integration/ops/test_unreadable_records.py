"""A record that cannot be read keeps no operator from stopping: the switch comes first, then what could not be read. Case E5."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from tests.integration.ops.command import ops
from tests.integration.ops.test_switches import BTC, ETH, close, hold
from tests.support.redis_server import RedisServer


async def damage(bus: Bus, user: str) -> None:
    await bus.do("HSET", keys.positions(user, "kraken"), "ETH/USD", '{"symbol": "ETH/USD", "base_size": "1')
    await bus.do("HSET", keys.following(user), "from", "0-0")


async def _mode(bus: Bus, key: str) -> str:
    return str(await bus.do("HGET", key, "mode"))


@pytest.mark.parametrize("damaged", ["alice", "bob"])
async def test_flatten_sets_the_switch_and_then_says_what_cannot_be_read(
    bus: Bus, redis_server: RedisServer, damaged: str
) -> None:
    await hold(bus, "alice")
    await damage(bus, damaged)
    words = ("flatten", "--user", "alice", "--reason", "news", "--yes", "--wait", "0.5", "--json")
    ran = await ops(redis_server.url, *words)
    assert await _mode(bus, keys.control("alice")) == "flatten"
    assert "Traceback" not in ran.err
    told = {(row["user"], row["symbol"]): row["outcome"] for row in ran.json["positions"]}
    hidden = {("alice", "ETH/USD"): "unreadable"} if damaged == "alice" else {}
    assert told == {("alice", "BTC/USD"): "open", **hidden}
    assert (ran.code, ran.json["open"]) == (1, len(told))


async def test_flatten_of_everybody_names_the_record_and_its_user(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice")
    await damage(bus, "bob")
    await close(bus, "alice")  # before the switch is set: it is no part of the report
    ran = await ops(redis_server.url, "flatten", "--reason", "news", "--yes", "--wait", "0.5", "--json")
    assert await _mode(bus, keys.CONTROL) == "flatten"
    rows = {(row["user"], row["symbol"], row["outcome"]): row["reason"] for row in ran.json["positions"]}
    assert list(rows) == [("bob", "ETH/USD", "unreadable")]
    assert "nothing is sold until its record can be read: not JSON" in rows["bob", "ETH/USD", "unreadable"]
    assert ran.code == 1


async def test_flatten_of_a_symbol_leaves_out_what_is_of_another(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice", ETH)
    await damage(bus, "bob")
    words = ("flatten", "--symbol", str(BTC), "--reason", "news", "--yes", "--wait", "0.5", "--json")
    ran = await ops(redis_server.url, *words)
    assert (ran.code, ran.json["positions"]) == (0, [])
    assert await _mode(bus, keys.control_of_symbol(BTC)) == "flatten"


async def test_the_question_counts_what_cannot_be_read(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, "alice")
    await damage(bus, "alice")
    ran = await ops(redis_server.url, "flatten", "--user", "alice", "--reason", "news")
    assert "Sell 1 copied position (1 more cannot be read) of alice now" in ran.out + ran.err
    assert not await bus.scan("shoal:control*")


@pytest.mark.parametrize(
    ("command", "mode"), [("pause", "pause"), ("close-only", "pause"), ("halt", "halt"), ("resume", "run")]
)
async def test_a_stop_reads_no_record(bus: Bus, redis_server: RedisServer, command: str, mode: str) -> None:
    """Positions that cannot be read, of a user who has no file any more, and a switch that somebody wrote with `SET`."""
    await damage(bus, "alice")
    await bus.do("SET", keys.control("alice"), "pause")
    ran = await ops(redis_server.url, command, "--user", "alice", "--reason", "news")
    assert (ran.code, await _mode(bus, keys.control("alice"))) == (0, mode), ran.err


async def test_a_stop_of_a_symbol_needs_no_list_of_pairs(bus: Bus, redis_server: RedisServer) -> None:
    await bus.do("SET", keys.instruments("kraken"), "no hash")
    ran = await ops(redis_server.url, "pause", "--symbol", "BTC/USD", "--reason", "news")
    assert (ran.code, await _mode(bus, keys.control_of_symbol(BTC))) == (0, "pause"), ran.err


async def test_drift_shows_the_record_that_cannot_be_read_and_compares_the_rest(
    bus: Bus, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("config")
    (config / "users").mkdir()
    for user in ("alice", "bob"):
        (config / "users" / f"{user}.toml").write_text("")
    await hold(bus, "alice")
    await damage(bus, "alice")
    await hold(bus, "bob")
    await hold(bus, "master")
    ran = await ops(redis_server.url, "drift", "--json", SHOAL_CONFIG=str(config))
    rows = {(row["user"], row["symbol"]): (row["note"], row["stray"]) for row in ran.json["drift"]}
    assert rows["alice", "ETH/USD"] == ("the record of what is held cannot be read", False)
    assert {("alice", "BTC/USD"), ("bob", "BTC/USD")} < set(rows)
    assert ran.code == 0


async def test_a_damaged_record_of_the_master_makes_no_position_a_stray(
    bus: Bus, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`--repair` sells strays: what the master may still hold is none."""
    config = tmp_path_factory.mktemp("config")
    (config / "users").mkdir()
    (config / "users" / "alice.toml").write_text("")
    await hold(bus, "alice", ETH)
    await damage(bus, "master")
    ran = await ops(redis_server.url, "drift", "--json", SHOAL_CONFIG=str(config))
    (row,) = ran.json["drift"]
    assert (row["symbol"], row["stray"], row["note"]) == (
        "ETH/USD",
        False,
        "the record of the master's position cannot be read",
    )
    assert ran.code == 0
