"""`ops drift`, `ops track` and `ops reload` as a person at the keyboard meets them."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.position import Position
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from tests.integration.ops.command import ops
from tests.support.copies import Copies, now_ms
from tests.support.redis_server import RedisServer

BTC, ETH = Symbol("BTC", "USD"), Symbol("ETH", "USD")


async def hold(bus: Bus, user: str, symbol: Symbol, size: str, venue: str = "kraken") -> None:
    position = Position(symbol, Quantity(Decimal(size), symbol.base), Money(Decimal(600), "USD"), 1, 1)
    await Records(bus).write_position(user, venue, position)


async def own(bus: Bus, user: str, equity: int, venue: str = "kraken") -> None:
    money = Money(Decimal(equity), "USD")
    await Records(bus).write_account(
        Account(user, venue, AccountState.READY, "", money, money, Decimal("0.004"), now_ms())
    )


@pytest.fixture
async def drifted(bus: Bus) -> Bus:
    """The master at Kraken holds bitcoin; alice holds half of her part of it there and a stray, bob a stray at Coinbase."""
    await own(bus, MASTER, 10_000)
    await own(bus, "alice", 5_000)
    await own(bus, "bob", 5_000, "coinbase")
    await hold(bus, MASTER, BTC, "0.1")
    await hold(bus, "alice", BTC, "0.025")
    await hold(bus, "alice", ETH, "0.2")
    await hold(bus, "bob", ETH, "0.2", "coinbase")
    return bus


async def test_drift_is_told_in_per_cent_of_the_target(drifted: Bus, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "drift", "--user", "alice", "--json")
    rows = {row["symbol"]: (row["target"], row["held"], row["drift_pct"], row["stray"]) for row in ran.json["drift"]}
    assert (ran.code, rows["BTC/USD"]) == (1, ("0.05", "0.025", "-50.00", False))
    assert rows["ETH/USD"] == ("0", "0.2", None, True)
    assert "STRAY" in (await ops(redis_server.url, "drift")).out
    assert not await drifted.scan("shoal:control*")


async def test_a_user_of_another_venue_is_compared_with_the_master_that_is_copied_there(
    drifted: Bus, redis_server: RedisServer
) -> None:
    """And with no other: by a master of that venue, all of it would be a stray, which a repair sells."""
    await hold(drifted, "bob", BTC, "0.025", "coinbase")  # multiplier = 0.5
    await own(drifted, MASTER, 10_000, "coinbase")
    rows = (await ops(redis_server.url, "drift", "--user", "bob", "--json")).json["drift"]
    assert [(row["venue"], row["master"], row["symbol"], row["drift_pct"], row["stray"]) for row in rows] == [
        ("coinbase", "kraken", "BTC/USD", "0.00", False),
        ("coinbase", "kraken", "ETH/USD", None, True),
    ]


async def test_what_is_left_at_a_former_venue_is_compared_with_its_own_master(
    drifted: Bus, redis_server: RedisServer, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "alice.toml").write_text('venues = ["kraken", "coinbase"]\n[follow]\nkraken = "coinbase"\n')
    await drifted.do("HSET", keys.following("alice"), "from", "0-0")
    await hold(drifted, "alice", ETH, "0.5", "coinbase")
    before = await ops(redis_server.url, "drift", "--user", "alice", "--json", SHOAL_CONFIG=str(tmp_path))
    rows = {(row["venue"], row["symbol"]): (row["master"], row["stray"]) for row in before.json["drift"]}
    assert rows == {
        ("kraken", "BTC/USD"): ("kraken", False),
        ("kraken", "ETH/USD"): ("kraken", True),
        ("coinbase", "ETH/USD"): ("coinbase", True),  # the change is not in effect: it was copied from that master
    }
    changed = {"account:coinbase": "kraken", "follow:kraken": "coinbase", "follow:coinbase": ""}
    await drifted.do("HSET", keys.following("alice"), *[part for pair in changed.items() for part in pair])
    after = await ops(redis_server.url, "drift", "--user", "alice", "--json", SHOAL_CONFIG=str(tmp_path))
    found = {(row["venue"], row["symbol"]): (row["master"], row["target"]) for row in after.json["drift"]}
    assert found == {
        ("kraken", "BTC/USD"): ("kraken", "0"),
        ("kraken", "ETH/USD"): ("kraken", "0"),
        ("coinbase", "BTC/USD"): ("kraken", None),
        ("coinbase", "ETH/USD"): ("kraken", "0"),
    }


async def test_a_repair_flattens_strays_alone_and_puts_the_switch_back(drifted: Bus, redis_server: RedisServer) -> None:
    await ops(redis_server.url, "pause", "--symbol", "ETH/USD", "--reason", "before")
    asked = asyncio.create_task(ops(redis_server.url, "drift", "--repair", "--yes", "--json"))
    closed: set[str] = set()
    while not asked.done():  # plays the executors of alice and bob
        symbol_wide, bobs = await Records(drifted).switches("bob", ETH), keys.positions("bob", "coinbase")
        for switch, key in ((symbol_wide[1], bobs), (symbol_wide[2], keys.positions("alice", "kraken"))):
            if switch.mode == "flatten":
                closed.add(key)
                await drifted.do("HDEL", key, str(ETH))
        await asyncio.sleep(0.05)
    ran = await asked
    assert (ran.code, ran.json["strays"], len(closed)) == (0, 0, 2)
    assert {row["outcome"] for row in ran.json["repaired"]} == {"closed"}
    everybody, bob, eth = await Records(drifted).switches("bob", ETH)
    assert (everybody.mode, bob.mode, eth.mode, eth.reason) == ("run", "run", "pause", "before")
    assert await Records(drifted).position("alice", "kraken", BTC) is not None
    log = read_entries(keys.CONTROL_LOG, await drifted.do("XRANGE", keys.CONTROL_LOG, "-", "+"))
    assert [each.fields["mode"] for each in log].count("flatten") == 2


async def test_nothing_is_repaired_while_the_master_is_not_known(drifted: Bus, redis_server: RedisServer) -> None:
    await Records(drifted).mark_account(MASTER, "kraken", AccountState.PARKED, "no key")
    ran = await ops(redis_server.url, "drift", "--repair", "--yes", "--json")
    assert (ran.code, {row["reason"] for row in ran.json["repaired"]}) == (1, {"the master's account is not ready"})
    assert not await drifted.scan("shoal:control*")


async def test_a_halt_stands_over_a_repair(drifted: Bus, redis_server: RedisServer) -> None:
    await ops(redis_server.url, "halt", "--user", "bob", "--reason", "no")
    ran = await ops(redis_server.url, "drift", "--user", "bob", "--repair", "--yes", "--json")
    reasons = [row["reason"] for row in ran.json["repaired"]]
    assert "halt is set for bob" in reasons
    assert "it would close the positions of alice too: run it without --user" in reasons
    assert {row["outcome"] for row in ran.json["repaired"]} == {"left alone"}
    assert (await Records(drifted).switches("bob"))[1].mode == "halt"


async def test_track_replays_the_signals_over_a_balance(bus: Bus, redis_server: RedisServer) -> None:
    await Copies(bus).signal()  # 0.5 BTC of a master with 100,000 USD
    rich = (await ops(redis_server.url, "track", "alice", "--balance", "5000", "--json")).json
    poor = (await ops(redis_server.url, "track", "alice", "--balance", "5", "--json")).json
    assert (rich["entries"], rich["copied"], rich["below_minimum_pct"]) == (1, 1, "0.00")
    assert (poor["copied"], poor["below_minimum_pct"]) == (0, "100.00")
    assert Decimal(9) < Decimal(poor["smallest_sensible_balance"]) < Decimal(11)
    unknown = await ops(redis_server.url, "track", "alice")
    assert (unknown.code, "give --balance" in unknown.err) == (2, True)
    await own(bus, "alice", 5_000)
    assert "smallest sensible balance" in (await ops(redis_server.url, "track", "alice")).out
    for wrong in ("-1", "much", "nan"):
        assert (await ops(redis_server.url, "track", "alice", "--balance", wrong)).code == 2
    assert (await ops(redis_server.url, "track", "nobody")).code == 2


async def test_reload_tells_what_changed_and_has_the_files_read_again(
    bus: Bus, redis_server: RedisServer, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    alice = users / "alice.toml"
    alice.write_text("[sizing]\nmultiplier = 1\n")
    os.utime(alice, (1, 1))
    first = await ops(redis_server.url, "reload", "--json", SHOAL_CONFIG=str(tmp_path))
    assert (first.json["first"], first.json["changes"], first.json["told"]) == (True, [], True)
    assert alice.stat().st_mtime > 1
    alice.write_text("[sizing]\nmultiplier = 2\n")
    (users / "bob.toml").write_text("")
    changed = (await ops(redis_server.url, "reload", "--json", SHOAL_CONFIG=str(tmp_path))).json["changes"]
    assert [(row["user"], row["change"], row["setting"], row["old"], row["new"]) for row in changed] == [
        ("alice", "changed", "sizing.multiplier", "1", "2"),
        ("bob", "added", "", "", ""),
    ]
    assert "nothing has changed" in (await ops(redis_server.url, "reload", SHOAL_CONFIG=str(tmp_path))).out


async def test_a_wrong_file_is_one_line_and_the_others_are_told(
    bus: Bus, redis_server: RedisServer, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "alice.toml").write_text("[sizing]\nmultiplyer = 2\n")
    (users / "bob.toml").write_text("")
    ran = await ops(redis_server.url, "reload", SHOAL_CONFIG=str(tmp_path))
    assert (ran.code, len(ran.err.splitlines())) == (1, 1)
    assert "alice.toml: sizing.multiplyer is not a known setting (did you mean multiplier?)" in ran.err
    assert await bus.do("HKEYS", keys.LAST_RELOADED_SETTINGS) == ["bob"]
