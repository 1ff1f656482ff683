"""With many users a page costs no more than with half of them, nothing is scanned, and what changes is seen all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from services.api.read_models import ReadModels
from services.api.reading.holding_sums import HoldingSums
from services.api.timed_cache import TimedCache
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.contracts.position_record import write_position
from shared.domain.control import ControlMode
from shared.domain.position import Position
from shared.domain.values.money import Money, Quantity
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import sum_results
from shared.ledger.status import SystemStatus
from shared.ledger.user_state import UserState
from shared.ledger.user_states.user_status import UserStatus
from shared.operations.switches import Scope, set_switch
from tests.bench.scale.history import PRICE, SYMBOLS
from tests.bench.scale.world import World
from tests.integration.api.web.conftest import page
from tests.support.copies import now_ms
from tests.support.open_api import OpenApi, open_api

FEW: Final = 300
"""More than one reading covers."""
MANY: Final = 600
PAGES: Final = (
    "/", "/tape", "/users", "/users?q=123", "/users/user-00123", "/users/user-00123/equity",
    "/prices", "/price/BTC/USD", "/price/BTC/USD?user=user-00123", "/operations", "/readyz", "/sign-in",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each request read the present state: how long a value is kept must not decide what is counted.

    What is kept for a minute stays kept: the master's orders, which are found by a scan.
    """
    kept = TimedCache.get

    async def get(cache: TimedCache[Any]) -> Any:
        read: Callable[[], Awaitable[Any]] = cache._read
        return await (kept(cache) if cache._seconds >= 60 else read())

    monkeypatch.setattr(TimedCache, "get", get)


@asynccontextmanager
async def _site(bus: Bus, folder: Path, users: int) -> AsyncIterator[OpenApi]:
    await bus.do("FLUSHALL")
    world = World.of(users, 3)
    world.write_files(folder)
    await world.write_redis(bus)
    async with open_api(bus, folder) as site:
        yield site


async def _calls(bus: Bus) -> dict[str, int]:
    """Return how often each command was run, those of scripts included."""
    lines = [line for line in str(await bus.do("INFO", "commandstats")).splitlines() if line.startswith("cmdstat_")]
    found = {line.partition(":")[0]: int(line.partition("calls=")[2].partition(",")[0]) for line in lines}
    return {name: calls for name, calls in found.items() if name != "cmdstat_info"}


async def _calls_by_page(bus: Bus, folder: Path, users: int) -> dict[str, int]:
    found = {}
    async with _site(bus, folder, users) as site:
        for path in PAGES:
            await page(site, path)  # the first reading is of everybody
        for path in PAGES:
            before = await _calls(bus)
            await page(site, path)
            after = await _calls(bus)
            found[path] = sum(after.values()) - sum(before.values())
            assert after.get("cmdstat_scan") == before.get("cmdstat_scan"), f"{path} scans the keyspace"
    return found


async def test_the_commands_of_a_page_do_not_grow_with_the_users(bus: Bus, tmp_path: Path) -> None:
    few = await _calls_by_page(bus, tmp_path / "few", FEW)
    many = await _calls_by_page(bus, tmp_path / "many", MANY)
    assert {path: (few[path], many[path]) for path in PAGES if many[path] > few[path] + 5} == {}


@dataclass(slots=True)
class Watched:
    """Read models over many users who were all read once."""

    bus: Bus
    models: ReadModels

    async def status(self) -> SystemStatus:
        """Read the status again."""
        return await self.models.status()

    async def user(self, name: str) -> UserStatus:
        """Return a user as the next reading of the status has them."""
        return next(each for each in (await self.status()).users if each.policy.user == name)


@pytest.fixture
async def watched(bus: Bus, tmp_path: Path) -> Watched:
    """Six hundred users, of whom the last ones were just read: their turn comes last."""
    world = World.of(MANY, 3)
    world.write_files(tmp_path)
    await world.write_redis(bus)
    found = Watched(bus, ReadModels(bus, tmp_path))
    await found.status()
    return found


LAST: Final = f"user-{MANY - 1:05}"


async def test_everybody_is_in_the_status(watched: Watched) -> None:
    status = await watched.status()
    assert [each.policy.user for each in status.users] == [f"user-{number:05}" for number in range(MANY)]
    states = [each.state for each in status.users]
    for state in (UserState.PARKED, UserState.PAUSED, UserState.STOPPED_OUT, UserState.UNKNOWN, UserState.OFF):
        assert states.count(state) == MANY // 50, state


async def test_a_pause_is_in_the_next_reading(watched: Watched) -> None:
    await set_switch(watched.bus, Scope(user=LAST), ControlMode.PAUSE, "lunch", "anna", now_ms())
    assert (await watched.user(LAST)).state is UserState.PAUSED


async def test_a_switch_for_everybody_is_in_the_next_reading_of_each(watched: Watched) -> None:
    await set_switch(watched.bus, Scope(), ControlMode.HALT, "stop", "anna", now_ms())
    status = await watched.status()
    assert UserState.READY not in {each.state for each in status.users}
    await set_switch(watched.bus, Scope(), ControlMode.RUN, "", "anna", now_ms())
    assert (await watched.user(LAST)).state is UserState.READY


async def test_an_executor_that_is_gone_is_in_the_next_reading(watched: Watched) -> None:
    await watched.bus.do("DEL", keys.lease(LAST))
    assert (await watched.user(LAST)).state is UserState.UNKNOWN


async def test_changed_settings_are_in_the_next_reading(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "users" / f"{LAST}.toml").write_text("enabled = false\n")
    assert (await watched.user(LAST)).state is UserState.OFF


async def test_what_nothing_announces_is_read_in_its_turn(watched: Watched) -> None:
    await watched.bus.do("HSET", keys.account(LAST, "kraken"), "state", "parked", "reason", "key refused")
    states = [(await watched.user(LAST)).state for _ in range(3)]
    assert states[-1] is UserState.PARKED


async def test_the_page_of_one_user_reads_that_user(watched: Watched) -> None:
    await watched.bus.do("HSET", keys.account(LAST, "kraken"), "state", "parked", "reason", "key refused")
    assert (await watched.models.of_users([LAST]))[LAST].state is UserState.PARKED


async def test_the_sums_are_those_of_all_users_after_changes_too(watched: Watched) -> None:
    names = [f"user-{number:05}" for number in range(MANY)]
    present = list(names)

    async def users() -> list[str]:
        return present

    sums = HoldingSums(watched.bus, users)

    async def plain() -> dict[str, Any]:
        results = await read_results(watched.bus, present)
        return dict(sum_results(symbol for account in results for symbol in account.symbols))

    assert await sums.read() == await plain()
    symbol = SYMBOLS[0]
    position = Position(symbol, Quantity(PRICE / 3, symbol.base), Money(PRICE, symbol.quote), 1, 1)
    await watched.bus.do("HSET", keys.positions(names[0], "kraken"), str(symbol), write_position(position))
    await watched.bus.do("DEL", keys.positions(names[1], "kraken"), keys.totals(names[1], "kraken"))
    del present[-1]
    for _ in range(3):
        found = await sums.read()
    assert found == await plain()
    assert replace(found["USD"], unpriced=()).trades == (await plain())["USD"].trades
