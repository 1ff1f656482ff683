"""The other commands as a person runs them: status, why, streams, the kill switch, dead letters, health."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.account import MASTER, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.order import OrderState
from tests.integration.ops.command import ops
from tests.support.copies import Copies
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer


async def test_status_shows_what_is_in_the_way(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    await Copies(bus, venue="coinbase").account("bob", AccountState.PARKED, reason="key [is] blank")
    await copies.serve("bob")
    await bus.do("SET", keys.nonce("bob", "ffff000011112222"), "42")
    ran = await ops(redis_server.url, "status")
    assert ran.code == 0
    for words in (
        "NOT READY",
        "master account is not ready",
        "key [is] blank",
        "ffff000011112222",
        "shoal:orders:{bob}",
    ):
        assert words in ran.out
    view = (await ops(redis_server.url, "status", "--json")).json
    assert view["readiness"]["users_parked"] == ["bob"]
    assert view["nonces"] == [{"user": "bob", "fingerprint": "ffff000011112222", "value": 42}]
    assert [user["user"] for user in view["users"]] == ["alice", "bob", "carol"]


async def test_why_says_what_became_of_a_signal(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await copies.decide(told, "carol", copy=False, reason="below venue minimum")
    await copies.report(told, "carol", OrderState.SKIPPED, reason="below venue minimum")
    ran = await ops(redis_server.url, "why", told.id)
    assert ran.code == 0
    assert "ENTRY buy BTC/USD: 0.5 at 60000" in ran.out
    assert "below venue minimum" in ran.out
    story = (await ops(redis_server.url, "why", told.entry_id, "--json")).json
    assert {user["user"]: user["outcome"] for user in story["users"]} == {"alice": "", "bob": "", "carol": "skipped"}
    unknown = await ops(redis_server.url, "why", "nothing")
    assert unknown.code == 2
    assert "no signal nothing" in unknown.err


async def test_streams_shows_the_newest_entries(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    told = await copies.settled(["alice"], count=3)
    ran = await ops(redis_server.url, "streams", "--count", "2")
    assert ran.code == 0
    assert told[2].entry_id in ran.out
    assert told[0].entry_id not in ran.out
    assert "filled" in ran.out
    entries = (await ops(redis_server.url, "streams", "--user", "alice", "--json")).json["entries"]
    assert list(entries) == [keys.SIGNALS, keys.orders("alice"), keys.reports("alice")]
    assert [entry["entry_id"] for entry in entries[keys.SIGNALS]] == [each.entry_id for each in told]


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        ("pause", ControlMode.PAUSE),
        ("close-only", ControlMode.PAUSE),
        ("halt", ControlMode.HALT),
        ("resume", ControlMode.RUN),
    ],
)
async def test_each_switch_is_written_as_the_services_read_it(
    bus: Bus, redis_server: RedisServer, command: str, mode: ControlMode
) -> None:
    assert (await ops(redis_server.url, command, "--reason", "for everybody")).code == 0
    assert (await ops(redis_server.url, command, "--user", "alice", "--reason", "for her")).code == 0
    records = Records(bus)
    everybody, alice = await records.switches("alice")
    assert (everybody.mode, everybody.reason) == (mode, "for everybody")
    assert (alice.mode, alice.reason) == (mode, "for her")
    assert await records.switches("bob") == (everybody, Control())
    rows = (await ops(redis_server.url, "control", "--json")).json["switches"]
    assert [(row["of"], row["mode"], row["reason"]) for row in rows] == [
        ("everybody", mode.value, "for everybody"),
        ("alice", mode.value, "for her"),
    ]
    assert all(row["by"] and int(row["at"]) > 0 for row in rows)


async def test_a_stop_needs_its_reason_and_a_user_that_exists(bus: Bus, redis_server: RedisServer) -> None:
    assert (await ops(redis_server.url, "pause")).code == 2
    ran = await ops(redis_server.url, "pause", "--user", "alcie", "--reason", "typo")
    line = "ops: --user alcie: there is no such user (known: alice, bob, carol)\n"
    assert (ran.code, ran.out, ran.err) == (2, "", line)
    assert await bus.do("EXISTS", keys.CONTROL, keys.control("alcie")) == 0


async def test_dead_letters_are_listed_and_shown_with_their_fields(bus: Bus, redis_server: RedisServer) -> None:
    await Group(bus, keys.ENGINE).dead_letter(
        Entry(keys.SIGNALS, "5-1", {"id": "[red]no[/red]"}), "SignalMessage.id: bad"
    )
    listed = await ops(redis_server.url, "dead", "list")
    assert listed.code == 0
    for words in (keys.SIGNALS, "5-1", "SignalMessage.id: bad"):
        assert words in listed.out
    shown = await ops(redis_server.url, "dead", "show", keys.SIGNALS, "5-1")
    assert "[red]no[/red]" in shown.out
    one = (await ops(redis_server.url, "dead", "show", keys.SIGNALS, "5-1", "--json")).json
    assert (one["stream"], one["fields"]) == (keys.SIGNALS, {"id": "[red]no[/red]"})
    assert (await ops(redis_server.url, "dead", "show", keys.SIGNALS, "5-2")).code == 2


async def test_a_service_is_well_while_it_gives_signs_of_life(bus: Bus, redis_server: RedisServer) -> None:
    records, url = Records(bus), redis_server.url
    unwell = await ops(url, "health", "executor")
    assert (unwell.code, unwell.out) == (1, "executor: no heartbeat\n")
    await records.write_heartbeat("executor", "elsewhere-1-a", HeartbeatRecord(state="running"))
    assert (await ops(url, "health", "executor")).code == 0
    assert (await ops(url, "health", "executor", "--here")).code == 1
    await records.write_heartbeat("executor", f"{socket.gethostname()}-1-a", HeartbeatRecord(state="running"))
    assert (await ops(url, "health", "executor", "--here")).code == 0
    assert (await ops(url, "health", "copy-engine", "--json")).json == {
        "ok": False,
        "service": "copy-engine",
        "reason": "no heartbeat",
    }


async def test_a_failed_state_and_a_master_without_account_are_unwell(bus: Bus, redis_server: RedisServer) -> None:
    records, url = Records(bus), redis_server.url
    await records.write_heartbeat("api", "a", HeartbeatRecord(state="failed: disk full"))
    ran = await ops(url, "health", "api")
    assert (ran.code, ran.out) == (1, "api: failed: disk full\n")
    await records.write_heartbeat("master-strategy", "m", HeartbeatRecord(state="connecting"))
    ran = await ops(url, "health", "master-strategy")
    assert (ran.code, ran.out) == (1, "master-strategy: the master account is not ready (it has not been read yet)\n")
    await Copies(bus).account(MASTER, AccountState.READY)
    assert (await ops(url, "health", "master-strategy")).code == 0


@pytest.mark.parametrize("command", [["status"], ["audit", "--no-venue"], ["streams"], ["control"], ["health", "api"]])
async def test_a_redis_that_is_down_gives_one_line_and_exit_code_2(command: list[str]) -> None:
    ran = await ops("redis://127.0.0.1:1/0", *command)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "REDIS_URL" in ran.err


async def test_a_wrong_setting_gives_one_line_that_names_it_and_exit_code_2() -> None:
    ran = await ops("redis://127.0.0.1:1/0", "status", SHOAL_MODE="papr")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "SHOAL_MODE" in ran.err
    assert (await ops("redis://127.0.0.1:1/0", "health", "nobody")).code == 2


async def test_status_counts_a_paused_user_apart_and_says_live(bus: Bus, redis_server: RedisServer) -> None:
    """Cases N2 and N5."""
    copies, records = Copies(bus), Records(bus)
    for user in (MASTER, "alice", "carol"):
        await copies.account(user, AccountState.READY)
    await Copies(bus, venue="coinbase").account("bob", AccountState.READY)
    await copies.serve("alice", "bob", "carol")
    await records.write_heartbeat("master-strategy", "m", HeartbeatRecord(state="trading", mode="live"))
    await records.write_heartbeat("copy-engine", "e", HeartbeatRecord(state="running", mode="live"))
    assert (await ops(redis_server.url, "pause", "--user", "bob", "--reason", "on holiday")).code == 0

    shown = (await ops(redis_server.url, "status")).out

    lines = shown.splitlines()
    assert lines[0].strip() == "LIVE: real money"
    assert lines[1] == "READY: 3 users: 2 trading, 1 paused"
    assert lines[2].startswith("  - bob: pause: on holiday (")
    view = (await ops(redis_server.url, "status", "--json")).json
    assert (view["mode"], view["readiness"]["users_held"]) == ("live", ["bob"])
    assert view["users"][1]["control"]["by"]


async def test_preflight_ends_with_1_on_red_and_names_each_check(bus: Bus, redis_server: RedisServer) -> None:
    """Case N2: the shipped configuration is for paper, so going live with it is red, one line per check."""
    ran = await ops(redis_server.url, "preflight", SHOAL_MODE="live", COLUMNS="80")
    assert ran.code == 1
    for words in ("REAL MONEY", "KRAKEN_MASTER_API_KEY is not set", "trade_live", "NOT READY TO GO LIVE"):
        assert words in ran.out
    await bus.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    evicts = (await ops(redis_server.url, "preflight")).out
    await bus.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert "maxmemory-policy" in evicts
    found = (await ops(redis_server.url, "preflight", "--json", SHOAL_MODE="live")).json
    names = {row["check"] for row in found["checks"]}
    assert {"mode", "venue", "strategy", "key of master", "users", "key of bob", "limits", ".env", "Redis"} <= names
    assert (found["ok"], next(row["verdict"] for row in found["checks"] if row["check"] == "users")) == (False, "ok")


async def test_preflight_warns_of_replicas_that_may_be_behind_when_their_primary_dies(tmp_path: Path) -> None:
    primary = RedisServer(tmp_path / "primary")
    replica = RedisServer(tmp_path / "replica", options={"replicaof": f"127.0.0.1 {primary.port}"})
    try:
        primary.start()
        replica.start()
        with primary.client() as client:
            wait_for(lambda: client.info("replication")["connected_slaves"], 30, "the replica follows")

            async def of_redis() -> tuple[str, str]:
                rows = (await ops(primary.url, "preflight", "--json", SHOAL_MODE="live")).json["checks"]
                return next((row["verdict"], row["text"]) for row in rows if row["check"] == "Redis")

            verdict, text = await of_redis()
            assert verdict == "look"
            assert "set `min-replicas-to-write 1`" in text
            client.config_set("min-replicas-to-write", 1)
            assert (await of_redis())[0] == "ok"
    finally:
        replica.kill()
        primary.kill()


async def test_status_shows_on_which_venue_each_master_is_copied(
    bus: Bus, redis_server: RedisServer, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "anna.toml").write_text('venues = ["kraken", "coinbase"]\n[follow]\nkraken = "coinbase"\n')
    (users / "zoe.toml").write_text('venues = ["kraken"]\n[follow]\nkraken = "none"\ncoinbase = "kraken"\n')
    await bus.do("HSET", keys.following("zoe"), "from", "0-0")  # followed before the file said so
    anna, zoe = (await ops(redis_server.url, "status", "--json", SHOAL_CONFIG=str(tmp_path))).json["users"]
    assert (anna["follow"], anna["waiting"]) == ({"kraken": "coinbase", "coinbase": ""}, {})
    assert [(each["venue"], each["copies"]) for each in anna["accounts"]] == [
        ("kraken", "kraken"),
        ("coinbase", "kraken"),
    ]
    assert (zoe["follow"], list(zoe["waiting"])) == ({"kraken": "", "coinbase": ""}, ["coinbase"])
    shown = (await ops(redis_server.url, "status", SHOAL_CONFIG=str(tmp_path))).out
    assert "kraken (exits)" in shown
    assert f"zoe: [follow] was changed: {zoe['waiting']['coinbase']}" in " ".join(shown.split())
