"""`ops watch` as a person runs it."""

from __future__ import annotations

import csv
import json

from shared.bus.connection import Bus
from shared.contracts import keys
from tests.integration.ops.command import ops
from tests.integration.ops.money import account, alice_and_master
from tests.support.redis_server import RedisServer


async def test_an_empty_system_is_two_sentences(bus: Bus, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "watch", "--count", "1")
    assert ran.code == 0
    for words in ("mode unknown", "Accounts: no account is known yet", "Latest outcomes: no order has ended yet"):
        assert words in ran.out


async def test_accounts_results_and_outcomes_are_shown(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    await account(bus, "bob", "900", reason="the key was refused")
    await bus.do("HSET", keys.books("alice", "kraken"), "v", "1", "funds", "paper", "since", "0")
    await bus.do("HSET", keys.control("alice"), "mode", "pause", "reason", "holiday")
    ran = await ops(redis_server.url, "watch", "--count", "1", COLUMNS="80")
    assert max(map(len, ran.out.splitlines())) <= 80
    lines = {line.split()[0]: line.split() for line in reversed(ran.out.splitlines()) if line}
    assert "PAPER: no real money" in ran.out
    assert lines["alice"] == ["alice", "kraken", "pause", "5,100.50", "USD", "+58.00", "+162.00", "+220.00"]
    assert lines["bob"][2] == "parked"
    assert "bob on kraken: the key was refused" in ran.out
    assert "users together: P&L +220.00 USD, fees 34.00 USD" in ran.out
    assert "60,060.00" in ran.out


async def test_live_money_is_said_first(bus: Bus, redis_server: RedisServer) -> None:
    for user, funds in (("alice", "paper"), ("bob", "live")):
        await account(bus, user, "900")
        await bus.do("HSET", keys.books(user, "kraken"), "v", "1", "funds", funds, "since", "0")
    await bus.do("HSET", keys.CONTROL, "mode", "halt", "reason", "trouble")
    ran = await ops(redis_server.url, "watch", "--count", "1")
    assert ran.out.splitlines()[0].strip().startswith("LIVE: real money")
    assert "KILL SWITCH for everyone: halt" in ran.out


async def test_each_refresh_is_an_object_or_rows(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    ran = await ops(redis_server.url, "watch", "--count", "2", "--every", "0.2", "--json")
    first, second = map(json.loads, ran.out.splitlines())
    assert first["at"] < second["at"]
    assert first["sums"]["USD"]["pnl"] == "220"
    assert len(first["orders"]) == 2
    rows = list(csv.DictReader((await ops(redis_server.url, "watch", "--count", "1", "--csv")).out.splitlines()))
    assert [(row["user"], row["pnl"]) for row in rows] == [("master", "552"), ("alice", "220")]
