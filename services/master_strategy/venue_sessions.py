"""The sessions of the master's account at one venue, one after another: connects again after failures, with growing pauses.

A refusal by the venue parks the account with its words, and the lease is kept while parked: a standby has the same key, and
trying again too soon prolongs a lockout. Nothing that a venue does ends the sessions of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.venue_state import VenueState
from shared.bus.lease import Lease
from shared.bus.records import Records
from shared.domain.account import MASTER, AccountState
from shared.runtime.supervision import endless
from shared.venues.errors import Refusal, Rejected, Unavailable, VenueError

_LOCKED_FOR: Final = 900.0  # seconds; a lockout lasts 15 minutes at Kraken, and each try during it restarts it
_PARKED_FIRST: Final = 5.0  # seconds; doubled with every failure
_PARKED_LONGEST: Final = 300.0
_AWAY_FIRST: Final = 1.0
_AWAY_LONGEST: Final = 30.0
_LASTED: Final = 120.0  # seconds after which a session counts as a success, and waiting begins small again

RunSession = Callable[[Lease], Awaitable[None]]

_log = structlog.get_logger(__name__)


class VenueSessions:
    """Runs the sessions of one venue under the master's lease. `state` is what the heartbeat says of it."""

    def __init__(
        self,
        *,
        name: str,
        run_session: RunSession,
        records: Records,
        state: VenueState,
        clock: Clock,
        health: ScanHealth | None = None,
    ) -> None:
        self.name = name
        self.tried = asyncio.Event()
        """Set once the account has connected, or has failed to, for the first time under this lease."""
        self._run_session = run_session
        self._records = records
        self._state = state
        self._clock = clock
        self._health = health
        self._failures = 0
        self._quiet_until = 0.0
        """Steady instant: a step of the wall clock must not delay the master."""

    async def serve(self, lease: Lease, after: asyncio.Event | None) -> None:
        """Run sessions for ever, from when `after` is set. Raises what Redis raises."""
        self.tried.clear()
        self._state.connected = self.tried.set
        if after is not None:
            await after.wait()
        async with asyncio.TaskGroup() as tasks:
            if self._health is not None:
                tasks.create_task(endless("watching the scans", self._health.watch()))
            tasks.create_task(endless("the sessions", self._sessions(lease)))

    async def _sessions(self, lease: Lease) -> None:
        while True:
            # Waited here, not after the failure: losing Redis meanwhile must not cut a lockout's pause short.
            await self._clock.sleep(max(0.0, self._quiet_until - self._clock.steady()))
            await self._state.publish("connecting")
            begun = self._clock.steady()
            failures: list[Exception] = []
            try:
                await self._run_session(lease)
            except* VenueError as failed:
                failures.extend(leaves_of(failed))
            if self._clock.steady() - begun > _LASTED:
                self._failures = 0
            self._failures += 1
            await self._note(failures)
            self.tried.set()

    async def _note(self, failures: list[Exception]) -> None:
        if self._health is not None:
            self._health.failed("; ".join(map(str, failures)))
        refusals = [failure for failure in failures if isinstance(failure, Rejected)]
        if refusals:
            refused = next((each for each in refusals if each.refusal is Refusal.LOCKED), refusals[0])
            wait = min(_PARKED_FIRST * 2 ** (self._failures - 1), _PARKED_LONGEST)
            if refused.refusal is Refusal.LOCKED:
                wait = _LOCKED_FOR
            self._stay_away(wait)
            _log.error(
                f"MASTER ACCOUNT: PARKED (Broker: {self.name.upper()})", why=refused.words, again_in_s=round(wait)
            )
            await self._records.mark_account(MASTER, self.name, AccountState.PARKED, refused.words)
            await self._state.publish(f"parked: {refused.words}")
        else:
            failure = failures[0]
            wait = min(_AWAY_FIRST * 2 ** (self._failures - 1), _AWAY_LONGEST)
            if isinstance(failure, Unavailable):
                wait = max(wait, failure.retry_after)
            self._stay_away(wait)
            _log.warning("the venue gives no answer", venue=self.name, why=str(failure), again_in_s=round(wait))
            await self._records.mark_account(MASTER, self.name, AccountState.CONNECTING, str(failure))
            await self._state.publish(f"connecting: {failure}")

    def _stay_away(self, seconds: float) -> None:
        self._quiet_until = self._clock.steady() + seconds


def leaves_of(group: BaseExceptionGroup[BaseException]) -> list[Exception]:
    """Return the failures in a group, without the groups."""
    found: list[Exception] = []
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            found.extend(leaves_of(each))
        elif isinstance(each, Exception):
            found.append(each)
    return found


def first_of(group: BaseExceptionGroup[BaseException]) -> str:
    """Return the texts of the failures in a group, each once."""
    return "; ".join(dict.fromkeys(str(each) for each in leaves_of(group)))
