"""When the flow opens: the master first, then the users, then the engine. Decided by the state in Redis, not by sleeping.

A signal proves that a master was connected, so an engine that starts late, or whose master has died, still distributes what is
in the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import AccountState, masters_are_open
from shared.domain.limits.policy import UserPolicy

_POLL: Final = 0.25
_PATIENCE: Final = 20.0
"""Seconds to wait for users without a recorded account, once another user is ready. It is less than the age at which an entry
expires, so that no user misses a trade because another user's executor is not running."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Which accounts are ready, as last read."""

    master: bool
    ready: tuple[str, ...]
    parked: tuple[str, ...]
    unknown: tuple[str, ...]

    def may_open(self, waited: float, *, opened_before: bool) -> bool:
        """Return whether the flow may open after `waited` seconds; a flow that was open before opens at once.

        Exits may be waiting in it, and a user who was never served must not delay them at every take-over.
        """
        if not self.master:
            return False
        if opened_before:
            return True
        return not self.unknown or (bool(self.ready) and waited >= _PATIENCE)

    def waiting_for(self) -> str:
        """Describe what is missing."""
        if not self.master:
            return "the master account"
        return f"users {', '.join(self.unknown[:5])}{' and more' if len(self.unknown) > 5 else ''}"


async def read_readiness(bus: Bus, records: Records, users: Sequence[UserPolicy]) -> Readiness:
    """Read who is ready."""
    masters = await records.accounts(await read_master_places(bus))
    master = masters_are_open(masters)
    if not master:
        master = bool(await bus.do("XLEN", keys.SIGNALS))
    states: dict[str, AccountState] = {}
    who = [(policy.user, venue) for policy in users for venue in policy.venues]
    for (user, _), account in zip(who, await records.accounts(who), strict=True):
        if account is not None and states.get(user) is not AccountState.READY:
            states[user] = account.state
    names = [policy.user for policy in users]
    return Readiness(
        master=master,
        ready=tuple(name for name in names if states.get(name) is AccountState.READY),
        parked=tuple(name for name in names if states.get(name) is AccountState.PARKED),
        unknown=tuple(name for name in names if states.get(name) not in {AccountState.READY, AccountState.PARKED}),
    )


async def wait_until_open(
    bus: Bus,
    records: Records,
    users: Sequence[UserPolicy],
    clock: Callable[[], float],
    on_change: Callable[[str], object],
    *,
    opened_before: bool = False,
) -> Readiness:
    """Wait until the flow may open; `on_change` is called with what is missing, once per change."""
    started = clock()
    last = ""
    while True:
        readiness = await read_readiness(bus, records, users)
        if readiness.may_open(clock() - started, opened_before=opened_before):
            return readiness
        if (now := readiness.waiting_for()) != last:
            last = now
            on_change(now)
        await asyncio.sleep(_POLL)
