"""The composition root of an executor: what runs beside the turns, and what becomes of a turn that ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from services.executor.account.context import AccountContext
from services.executor.account.context_factory import AccountContextFactory
from services.executor.app import Executor
from services.executor.turn.roster import Roster
from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusForbidden, BusRefused
from shared.bus.ownership.lease import Lease
from shared.config.settings import load_settings
from shared.config.users.watch import UsersWatch
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.clock_offset import STOP_ENTRIES_ABOVE_MS
from shared.runtime.supervision import Supervisor
from shared.venues.factory import new_http_session
from tests.integration.executor.rig import crash
from tests.support.examples import a_policy
from tests.support.leases import take_over


@pytest.fixture
async def executor(bus: Bus, tmp_path: Path) -> AsyncIterator[Executor]:
    (tmp_path / "users").mkdir()
    async with new_http_session() as http:
        yield Executor(load_settings(), bus, http, Roster({"alice": a_policy("alice")}), UsersWatch(tmp_path))


async def test_each_task_beside_the_turns_runs_once(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_up: list[str] = []

    async def keep_up(_: Supervisor, name: str, work: Callable[[], Awaitable[None]], *, may_end: bool = False) -> None:
        kept_up.append(name)

    monkeypatch.setattr(Supervisor, "keep_up", keep_up)
    executor._claims.users = []
    task = asyncio.create_task(executor.run())
    await asyncio.sleep(0.1)
    await crash(task)
    assert kept_up
    assert sorted(kept_up) == sorted(set(kept_up))


@pytest.mark.parametrize("refusal", [BusRefused("WRONGTYPE"), BusForbidden("Redis: NOPERM")])
async def test_a_turn_that_a_refusal_ends_is_a_fault_and_rests(
    executor: Executor, bus: Bus, monkeypatch: pytest.MonkeyPatch, refusal: BusError
) -> None:
    """Also one of the ACL, which may be about one key alone: it was begun again at once, without end and without a fault."""

    async def make(_: AccountContextFactory, policy: UserPolicy, venue_name: str, lease: Lease) -> AccountContext:
        raise refusal

    monkeypatch.setattr(AccountContextFactory, "make", make)
    await executor._serve("alice", await take_over(bus, "alice", str(uuid4())))
    assert [(each.kind, each.subject) for each in executor.faults.standing] == [(FaultKind.REDIS, "alice")]
    assert executor._claims._resting["alice"] > time.monotonic()


async def test_a_clock_that_was_wrong_for_the_paper_exchange_is_right_again_without_another_order(bus: Bus) -> None:
    now, faults = [1_700_000_000_000], Faults()
    async with new_http_session() as http:
        contexts = AccountContextFactory(load_settings(), bus, http, lambda: now[0], faults)
        steady = time.monotonic()
        contexts.paper_venue("kraken").clock.note(now[0] - 3 * STOP_ENTRIES_ABOVE_MS, 0, steady, steady)
        assert contexts.paper_venue("kraken").alarm.refusal()
        assert [each.kind for each in faults.standing] == [FaultKind.CLOCK]
        now[0] -= 3 * STOP_ENTRIES_ABOVE_MS
        contexts.look_at_clocks()
    assert faults.standing == ()
