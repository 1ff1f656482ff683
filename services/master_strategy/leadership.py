"""Elects the master by lease, runs its sessions, and starts again after failures. Runs for ever.

One process leads, others stand by. A refusal by the venue parks the account with its words, and the lease is kept while parked: a
standby has the same key, and trying again too soon prolongs a lockout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog

from services.master_strategy.clock import Clock
from services.master_strategy.fills.scan_health import ScanHealth
from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusRefused, BusUnavailable, LeaseLost
from shared.bus.heartbeat import Heartbeat
from shared.bus.lease import RENEW_EVERY, Lease, acquire
from shared.bus.records import Records
from shared.domain.account import MASTER, AccountState
from shared.domain.fault import FaultKind
from shared.runtime.supervision import endless
from shared.venues.errors import Refusal, Rejected, Unavailable, VenueError

_ASK_EVERY: Final = 1.0  # seconds between tries for the lease
_AFTER_LOSS: Final = 1.0
_LOCKED_FOR: Final = 900.0  # seconds; Kraken's lockout is 15 minutes, and each try during it restarts it
_PARKED_FIRST: Final = 5.0  # seconds; doubled with every failure
_PARKED_LONGEST: Final = 300.0
_AWAY_FIRST: Final = 1.0
_AWAY_LONGEST: Final = 30.0
_MOST_REFUSED: Final = 10  # sessions in a row that are counted; the pause has long been the longest by then
_LASTED: Final = 120_000  # ms after which a session counts as a success, and waiting begins small again

_OF_THE_LEADER: Final = frozenset(
    {FaultKind.EQUITY, FaultKind.KEY, FaultKind.MASTER_ROW, FaultKind.ORDER, FaultKind.RECORD, FaultKind.SYMBOL}
)
"""Kinds of faults that only the leading master can report and clear."""

RunSession = Callable[[Lease], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Leadership:
    """Acquires the lease, runs sessions under it, starts again after failures. `venue` is the venue's name."""

    def __init__(
        self,
        *,
        bus: Bus,
        instance: str,
        venue: str,
        run_session: RunSession,
        heartbeat: Heartbeat,
        clock: Clock,
        health: ScanHealth | None = None,
    ) -> None:
        self._health = health
        self._bus = bus
        self._instance = instance
        self._venue = venue
        self._run_session = run_session
        self._heartbeat = heartbeat
        self._clock = clock
        self._records = Records(bus)
        self._last: Lease | None = None
        self._failures = 0
        self._refused = 0
        self._quiet_until = 0.0
        """Steady instant: a step of the wall clock must not delay the master."""

    async def serve(self) -> None:
        """Lead whenever no other process does, for ever. An unexpected exception passes through and ends the process."""
        while True:
            lease = await self._acquire_lease()
            try:
                await _apart(self._lead(lease))
            except* BusError as lost:
                self._note_loss(lost)
            finally:
                await self._step_down(lease)
            # Each session reads from the venue: a key that Redis refuses for long must not use up the calls that exits need.
            await self._clock.sleep(min(_AFTER_LOSS * 2 ** max(0, self._refused - 1), _AWAY_LONGEST))

    def _note_loss(self, lost: BaseExceptionGroup[BaseException]) -> None:
        why = _first(lost)
        refused = any(isinstance(each, BusRefused) for each in _leaves(lost))
        self._refused = min(self._refused + 1, _MOST_REFUSED) if refused else 0
        self._heartbeat.faults.report(FaultKind.REDIS, MASTER, why, blocks=True)
        _log.warning("the session ends; it begins again from what Redis holds", why=why)

    async def _acquire_lease(self) -> Lease:
        logged = ""
        while True:
            try:
                if self._last is not None:  # a lease that could not be released while Redis was away
                    await self._last.release()
                lease = await acquire(self._bus, MASTER, self._instance)
                state = "standby: another master holds the lease"
            except BusError as lost:
                lease, state = None, f"waiting for Redis: {lost}"
                self._heartbeat.faults.report(FaultKind.REDIS, MASTER, str(lost), blocks=True)
            else:
                if lease is None:
                    self._forget_faults()
            if lease is not None:
                _log.info("this process is the master", instance=self._instance, token=lease.token)
                self._last = lease
                return lease
            if state != logged:
                logged = state
                _log.info(state)
                await self._heartbeat.publish(state)
            await self._clock.sleep(_ASK_EVERY)

    def _forget_faults(self) -> None:
        """Clear the faults of the time when this process led: the other master reports its own."""
        faults = self._heartbeat.faults
        faults.clear(FaultKind.REDIS, MASTER)
        for fault in faults.standing:
            if fault.kind in _OF_THE_LEADER:
                faults.clear(fault.kind, fault.subject)

    async def _lead(self, lease: Lease) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(endless("renewing the lease", self._renew(lease)))
            if self._health is not None:
                tasks.create_task(endless("watching the scans", self._health.watch()))
            tasks.create_task(endless("the master's sessions", self._sessions(lease)))

    async def _renew(self, lease: Lease) -> None:
        while True:
            await self._clock.sleep(RENEW_EVERY)
            try:
                await lease.renew()
            except BusUnavailable:
                if lease.remaining <= 0:
                    raise LeaseLost("the lease ran out while Redis was away") from None

    async def _sessions(self, lease: Lease) -> None:
        while True:
            # Waited here, not after the failure: losing Redis meanwhile must not cut a lockout's pause short.
            await self._clock.sleep(max(0.0, self._quiet_until - self._clock.steady()))
            await self._heartbeat.publish("connecting")
            begun = self._clock.steady()
            failures: list[Exception] = []
            try:
                await self._run_session(lease)
            except* VenueError as failed:
                failures.extend(_leaves(failed))
            if self._clock.steady() - begun > _LASTED:
                self._failures = 0
            self._failures += 1
            await self._note(failures)

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
                f"MASTER ACCOUNT: PARKED (Broker: {self._venue.upper()})", why=refused.words, again_in_s=round(wait)
            )
            await self._records.mark_account(MASTER, self._venue, AccountState.PARKED, refused.words)
            await self._heartbeat.publish(f"parked: {refused.words}")
        else:
            failure = failures[0]
            wait = min(_AWAY_FIRST * 2 ** (self._failures - 1), _AWAY_LONGEST)
            if isinstance(failure, Unavailable):
                wait = max(wait, failure.retry_after)
            self._stay_away(wait)
            _log.warning("the venue gives no answer", why=str(failure), again_in_s=round(wait))
            await self._records.mark_account(MASTER, self._venue, AccountState.CONNECTING, str(failure))
            await self._heartbeat.publish(f"connecting: {failure}")

    def _stay_away(self, seconds: float) -> None:
        self._quiet_until = self._clock.steady() + seconds

    async def _step_down(self, lease: Lease) -> None:
        """Record that no master is connected, and release the lease; ignores an outage of Redis."""
        with suppress(BusError):
            if lease.remaining > 0:
                await self._records.mark_account(
                    MASTER, self._venue, AccountState.CONNECTING, "no master process is connected"
                )
        await lease.release()


async def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Run work in a task of its own: on Python 3.11 a group that fails while being cancelled raises only the failure, and the
    process would not end.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[Exception]:
    found: list[Exception] = []
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            found.extend(_leaves(each))
        elif isinstance(each, Exception):
            found.append(each)
    return found


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    return "; ".join(dict.fromkeys(str(each) for each in _leaves(group)))
