"""A notifier in the test's own process, over the test's Redis and a webhook of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC
from decimal import Decimal
from typing import Protocol

import pytest

from services.notifier.delivery.target import open_targets
from services.notifier.rules.wording import Words
from services.notifier.turn import Turn
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.bus.ownership.lease import acquire
from shared.bus.ownership.renewals import Renewals
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.config.notifications import NotifySettings
from shared.config.settings import Mode
from shared.contracts import keys
from shared.domain.fault import Faults
from shared.domain.limits.policy import LimitPolicy, UserPolicy
from shared.runtime.supervision import Supervisor
from tests.support.webhook import Webhook, webhook

HOUR = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def user(name: str) -> UserPolicy:
    return UserPolicy(user=name, enabled=True, venues=("kraken",), limits=LimitPolicy(daily_loss_pct=Decimal(5)))


USERS: Mapping[str, UserPolicy] = {name: user(name) for name in ("alice", "bob")}


class Notify(Protocol):
    """Starts a notifier for as long as the context lasts."""

    def __call__(
        self,
        *hooks: str,
        settings: NotifySettings | None = None,
        users: Mapping[str, UserPolicy] = USERS,
        start_ms: int = 24 * HOUR,
        clock: Callable[[], int] = now_ms,
    ) -> AbstractAsyncContextManager[Heartbeat]: ...


@pytest.fixture(autouse=True)
def _lasting_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's signs of life last: on a busy machine a test takes longer than one of them."""
    monkeypatch.setattr("shared.bus.state.records.HEARTBEAT_TTL_MS", 600_000)


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    async with webhook() as state:
        yield state


@pytest.fixture
def notify(bus: Bus) -> Notify:
    """A notifier that misses no service on its first day, or tests without services would be about nothing else."""

    @asynccontextmanager
    async def running(
        *hooks: str,
        settings: NotifySettings | None = None,
        users: Mapping[str, UserPolicy] = USERS,
        start_ms: int = 24 * HOUR,
        clock: Callable[[], int] = now_ms,
    ) -> AsyncIterator[Heartbeat]:
        chosen = settings or NotifySettings(urls=hooks, collect_ms=5_000, unknown_after_ms=5_000)
        heartbeat = Heartbeat(Records(bus), "notifier", "test", Faults(now_ms), now_ms, "paper")
        await heartbeat.publish("sends")
        turn = Turn(
            bus,
            chosen,
            Words(Mode.PAPER, UTC),
            open_targets(chosen.urls),
            lambda: users,
            heartbeat,
            Supervisor(heartbeat.faults),
            clock,
            start_ms,
        )
        task = asyncio.create_task(_serve(bus, turn))
        try:
            yield heartbeat
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return running


async def _serve(bus: Bus, turn: Turn) -> None:
    """Serve one turn after another, as the process does: on a machine that stands still for a while the lease passes away."""
    while True:
        if (lease := await acquire(bus, keys.NOTIFIER, "test")) is not None:
            try:
                with suppress(BusError):
                    await Renewals(bus).keep(lease, turn.serve(lease))
            finally:
                await lease.release()
        await asyncio.sleep(0.1)
