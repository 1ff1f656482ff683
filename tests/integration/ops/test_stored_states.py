"""`status` with many users: a page of them is read, the others are counted by the states that the api stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from shared.bus.connection import Bus
from shared.bus.users.stored_states import store_states
from shared.config.users.loader import load_users
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.ledger.status import read_system
from shared.ledger.user_states.stored_state import StoredState
from shared.ledger.user_states.user_status import read_user_statuses
from shared.operations.switches import Scope, set_switch
from tests.bench.scale.world import World
from tests.integration.ops.command import Ran, ops
from tests.support.copies import now_ms
from tests.support.redis_server import RedisServer

USERS: Final = 120
READY: Final = "user-00010"


async def seed(bus: Bus, folder: Path, users: int) -> None:
    """Write users, and their states as an api stores them."""
    await bus.do("FLUSHALL")
    world = World.of(users, 3)
    world.write_files(folder)
    await world.write_redis(bus)
    await store(bus, folder)


async def store(bus: Bus, folder: Path, at: int = 0, issues: frozenset[str] = frozenset()) -> None:
    """Store the present states, as kept up to date at an instant (epoch ms; by default now)."""
    policies, now = load_users(folder), now_ms()
    found = await read_user_statuses(bus, list(policies.values()), (await read_system(bus)).control, now)
    rows = {each.policy.user: StoredState.of(each, open_issues=each.policy.user in issues).text() for each in found}
    # In the future, so that the rows are still used if the command starts slowly.
    await store_states(bus, rows, [], at or now + 12_000)


@pytest.fixture
async def folder(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of users who were stored."""
    await seed(bus, tmp_path, USERS)
    monkeypatch.setenv("SHOAL_CONFIG", str(tmp_path))
    return tmp_path


async def _ops(server: RedisServer, *words: str) -> Ran:
    ran = await ops(server.url, *words, COLUMNS="200")
    assert ran.code == 0, ran.err
    return ran


async def _page(server: RedisServer, *words: str) -> dict[str, Any]:
    return dict((await _ops(server, "status", "--json", "--page", "1", *words)).json)


def _names(view: dict[str, Any]) -> list[str]:
    return [user["user"] for user in view["users"]]


async def test_the_count_by_stored_states_is_that_of_all_users(folder: Path, redis_server: RedisServer) -> None:
    whole = (await _ops(redis_server, "status", "--json")).json
    page = await _page(redis_server)
    assert page["readiness"] == whole["readiness"]
    assert len(page["users"]) == 50
    assert {user["user"]: user for user in whole["users"]}[page["users"][0]["user"]] == page["users"][0]
    assert [each["user"] for each in page["nonces"]] == sorted(_names(page))


async def test_the_commands_of_status_do_not_grow_with_the_users(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    calls = []
    for users in (300, 600):
        folder = tmp_path / str(users)
        await seed(bus, folder, users)
        monkeypatch.setenv("SHOAL_CONFIG", str(folder))
        await bus.do("CONFIG", "RESETSTAT")
        assert f"{users} users" in (await _ops(redis_server, "status")).out
        lines = [line for line in str(await bus.do("INFO", "commandstats")).splitlines() if line.startswith("cmdstat")]
        assert not [line for line in lines if line.startswith("cmdstat_scan:")]
        calls.append(sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines))
    assert calls[1] <= calls[0]


async def test_a_user_whose_executor_is_gone_is_not_ready_by_what_is_stored(
    folder: Path, bus: Bus, redis_server: RedisServer
) -> None:
    await bus.do("DEL", keys.lease(READY))
    readiness = (await _page(redis_server, "--user", "user-00011"))["readiness"]
    assert READY not in readiness["users_ready"]
    assert READY in readiness["users_unknown"]


async def test_a_switch_for_everybody_counts_at_once(folder: Path, bus: Bus, redis_server: RedisServer) -> None:
    await set_switch(bus, Scope(), ControlMode.HALT, "fire", "anna", now_ms())
    readiness = (await _page(redis_server, "--user", READY))["readiness"]
    assert not readiness["users_ready"]
    assert "halted" in readiness["users"]
    assert "all users are halted: exits are not sent either" in readiness["reasons"]


async def test_states_that_nothing_keeps_up_to_date_are_not_used(
    folder: Path, bus: Bus, redis_server: RedisServer
) -> None:
    await bus.do("HSET", keys.account(READY, "kraken"), "state", "parked", "reason", "key refused")
    await store_states(bus, {}, [], now_ms() - 60_000)
    assert READY in (await _page(redis_server, "--user", "user-00011"))["readiness"]["users_parked"]


async def test_the_users_of_the_page_are_as_they_are_now(folder: Path, bus: Bus, redis_server: RedisServer) -> None:
    await bus.do("HSET", keys.account(READY, "kraken"), "state", "parked", "reason", "key refused")
    page = await _page(redis_server, "--user", READY)
    assert page["users"][0]["state"] == "parked"
    assert READY in page["readiness"]["users_parked"]


async def test_users_without_a_stored_state_and_unreadable_ones_are_read(
    folder: Path, bus: Bus, redis_server: RedisServer
) -> None:
    await bus.do("HDEL", keys.USER_STATES, READY)
    await bus.do("HSET", keys.USER_STATES, "user-00011", "{}", "user-00012", "[1]", "user-00013", "?")
    readiness = (await _page(redis_server, "--user", READY))["readiness"]
    assert readiness["users"].startswith(f"{USERS} users: ")
    assert {READY, "user-00011", "user-00012", "user-00013"} <= set(readiness["users_ready"])


async def test_users_are_chosen_by_state_group_and_name(folder: Path, bus: Bus, redis_server: RedisServer) -> None:
    assert _names(await _page(redis_server, "--state", "paused")) == ["user-00002", "user-00052", "user-00102"]
    (folder / "groups").mkdir()
    (folder / "groups" / "eu-1.toml").write_text("")
    (folder / "users" / f"{READY}.toml").write_text('group = "eu-1"\n')
    await store(bus, folder)
    assert _names(await _page(redis_server, "--group", "eu-1")) == [READY]
    assert len((await _ops(redis_server, "status", "--json", "--group", "", "--per-page", "200")).json["users"]) == 119
    text = (await _ops(redis_server, "status", "--user", READY)).out
    assert f"{USERS} users" in text
    assert "user-00001" not in text
    unknown = await ops(redis_server.url, "status", "--user", "nobody")
    assert (unknown.code, "there is no such user" in unknown.err) == (2, True)


async def test_a_bad_file_is_named_and_its_user_is_parked(folder: Path, bus: Bus, redis_server: RedisServer) -> None:
    (folder / "users" / f"{READY}.toml").write_text("venues = 7\n")
    await store(bus, folder)
    ran = await _ops(redis_server, "status", "--user", "user-00011", "--json")
    assert f"{READY}.toml" in ran.err
    assert READY in ran.json["readiness"]["users_parked"]


async def test_open_issues_of_users_beyond_the_page_are_shown(
    folder: Path, bus: Bus, redis_server: RedisServer
) -> None:
    await bus.do("HSET", keys.differences(READY, "kraken"), "BTC/USD", "0.1 BTC less than recorded")
    await store(bus, folder, issues=frozenset({READY}))
    found = (await _page(redis_server, "--user", "user-00011"))["differences"]
    assert [each["user"] for each in found] == [READY]
