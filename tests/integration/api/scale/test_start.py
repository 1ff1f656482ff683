"""With many users the first page waits for their states only: it says what is not added up yet, and judges nothing by a part."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from services.api import read_models
from services.api.app import build
from services.api.reading import holding_sums
from services.api.web import operations
from services.api.web.keep_ready import KeepReady
from services.api.web.tape import tally
from shared.bus.connection import Bus
from shared.bus.users.stored_states import read_stored_states
from shared.config.settings import Settings
from shared.contracts import keys
from shared.ledger.user_states.stored_state import StoredState
from tests.bench.scale.world import World
from tests.integration.api.web.conftest import page
from tests.support.copies import now_ms
from tests.support.open_api import OpenApi, open_api

USERS: Final = 300
FEW: Final = 100
LAST: Final = f"user-{USERS - 1:05}"


@pytest.fixture
async def world(bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three hundred users, of whom a third is read at a time."""
    for module in (holding_sums, read_models, operations):
        monkeypatch.setattr(module, "MOST_NEW", FEW)
    monkeypatch.setattr(tally, "_UNREAD", FEW)
    found = World.of(USERS, 3)
    found.write_files(tmp_path)
    await found.write_redis(bus)
    await bus.do("CONFIG", "RESETSTAT")
    return found


@pytest.fixture
async def site(bus: Bus, tmp_path: Path, world: World) -> AsyncIterator[OpenApi]:
    """An api that has just started and does nothing in the background."""
    async with open_api(bus, tmp_path) as found:
        yield found


async def test_the_first_page_counts_all_users_and_says_what_is_not_added_up_yet(site: OpenApi, bus: Bus) -> None:
    text = await page(site, "/")
    assert "300 users: 270 trading" in text
    assert "so far for 100 of 300 users" in text
    assert "copied so far, counting" in text
    commands = str(await bus.do("INFO", "commandstats"))
    assert "cmdstat_scan:" not in commands
    read = re.search(r"cmdstat_xinfo\\|stream:calls=(\d+)", commands)
    assert read is not None
    assert int(read[1]) <= FEW + 1, "the streams of all users were read for the first page"


async def test_metrics_and_operations_are_whole_from_the_start(site: OpenApi, bus: Bus) -> None:
    await bus.do("HSET", keys.differences(LAST, "kraken"), "BTC/USD", "0.1 BTC less than recorded")
    assert "0.1 BTC less than recorded" in await page(site, "/operations")
    assert f'shoal_stream_length{{stream="{keys.orders("*")}"}} {3 * USERS}.0' in await page(site, "/metrics")


@pytest.fixture
def keep_ready(bus: Bus, tmp_path: Path, world: World) -> KeepReady:
    """What keeps the pages of an api up to date, to be stepped by hand."""
    app, _ = build(bus, Settings(shoal_config=tmp_path, api_sign_in="off"))
    found: KeepReady = app.state.keep_ready
    return found


async def _stored(bus: Bus) -> dict[str, Any]:
    return {user: StoredState.read(text) for user, text in (await read_stored_states(bus)).rows.items()}


async def test_states_are_stored_once_all_users_were_read_and_then_what_changes(
    keep_ready: KeepReady, bus: Bus, tmp_path: Path
) -> None:
    await bus.do("HSET", keys.USER_STATES, "left-long-ago", '{"state":"ready"}')
    await keep_ready.step()
    assert (await read_stored_states(bus)).kept_at == 0, "a part of the users is not all of them"
    for _ in range(3):
        await keep_ready.step()
    found = await read_stored_states(bus)
    assert abs(now_ms() - found.kept_at) < 60_000
    assert sorted(found.rows) == [f"user-{number:05}" for number in range(USERS)]
    assert (await _stored(bus))["user-00001"].settled == "parked"


async def test_an_issue_of_a_user_is_stored_and_a_user_who_leaves_is_not(
    keep_ready: KeepReady, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await keep_ready.step()
    await bus.do("HSET", keys.differences(LAST, "kraken"), "BTC/USD", "0.1 BTC less than recorded")
    (tmp_path / "users" / "user-00000.toml").unlink()
    await bus.do("DEL", keys.positions("user-00000", "kraken"))
    for cache in (keep_ready._operations._users_step, keep_ready._models._users, keep_ready._models._status):
        monkeypatch.setattr(cache, "_seconds", 0.0)
    for _ in range(3):
        await keep_ready.step()
    found = await _stored(bus)
    assert found[LAST].open_issues
    assert not found["user-00001"].open_issues
    assert "user-00000" not in found


async def test_status_over_http_can_be_of_a_page_of_some_users(site: OpenApi) -> None:
    whole = json.loads(await page(site, "/status"))
    some = json.loads(await page(site, "/status?state=paused&per_page=4"))
    assert len(whole["users"]) == USERS
    assert [each["user"] for each in some["users"]] == [f"user-{50 * number + 2:05}" for number in range(4)]
    assert len(some["streams"]) == 5
    assert some["readiness"] == whole["readiness"]
    second = json.loads(await page(site, "/status?page=2&per_page=4&state=paused"))
    assert [each["user"] for each in second["users"]] == ["user-00202", "user-00252"]
    assert "user-00002" in await page(site, "/users?state=paused&group=")
    assert "No user matches" in await page(site, "/users?group=eu-1")
