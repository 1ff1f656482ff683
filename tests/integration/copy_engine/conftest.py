"""Users with ready accounts, and a way to write signals as the master does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.domain.limits.policy import UserPolicy
from shared.domain.signal import Signal
from tests.support.examples import a_policy, an_account, an_entry
from tests.support.repeated import assert_decisions_repeat

Emit = Callable[..., Awaitable[Entry]]


@pytest.fixture(autouse=True)
async def _every_decision_repeats(bus: Bus) -> AsyncIterator[None]:
    """Repeat, after each test, every decision that an engine has recorded in it."""
    yield
    await assert_decisions_repeat(bus)


@pytest.fixture
async def users(bus: Bus) -> Sequence[UserPolicy]:
    """Alice, bob and carol, each ready with 5,000 USD."""
    policies = [a_policy(user) for user in ("alice", "bob", "carol")]
    for policy in policies:
        await Records(bus).write_account(an_account(policy.user))
    return policies


@pytest.fixture
def emit(bus: Bus) -> Emit:
    """Append a signal; answers its entry."""

    async def append(signal: Signal | None = None) -> Entry:
        await SignalLog(bus).emit(signal or an_entry())
        (newest,) = await SignalLog(bus).latest(1)
        return newest

    return append
