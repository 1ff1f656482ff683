"""Elects the master by lease, and runs the sessions of every venue that it has an account at. Runs for ever.

One process leads all accounts of the master, others stand by. Losing Redis or the lease ends all sessions; what a venue does ends
those of that venue alone (`venue_sessions.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from services.master_strategy.clock import Clock
from services.master_strategy.venue_sessions import VenueSessions, first_of, leaves_of
from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusRefused, BusUnavailable, LeaseLost
from shared.bus.master.master_places import read_master_places
from shared.bus.ownership.lease import RENEW_EVERY, Lease, acquire
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.domain.account import MASTER, AccountState
from shared.domain.fault import FaultKind
from shared.runtime.supervision import endless

_ASK_EVERY: Final = 1.0  # seconds between tries for the lease
_AFTER_LOSS: Final = 1.0
_AWAY_LONGEST: Final = 30.0
_MOST_REFUSED: Final = 10  # sessions in a row that are counted; the pause has long been the longest by then

NO_KEY: Final = "the master has no API key here any more: what happens on this account is not seen"
_OF_THE_LEADER: Final = frozenset(
    {FaultKind.EQUITY, FaultKind.KEY, FaultKind.MASTER_ROW, FaultKind.ORDER, FaultKind.RECORD, FaultKind.SYMBOL}
)
"""Kinds of faults that only the leading master can report and clear."""

_log = structlog.get_logger(__name__)


class Leadership:
    """Acquires the lease, runs the sessions of all venues under it, starts again after failures."""

    def __init__(
        self, *, bus: Bus, instance: str, venues: Sequence[VenueSessions], heartbeat: Heartbeat, clock: Clock
    ) -> None:
        """`venues` connect in this order: each begins when the one before has been tried."""
        self._bus = bus
        self._instance = instance
        self._venues = venues
        self._heartbeat = heartbeat
        self._clock = clock
        self._records = Records(bus)
        self._last: Lease | None = None
        self._refused = 0

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
        why = first_of(lost)
        refused = any(isinstance(each, BusRefused) for each in leaves_of(lost))
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
        tried: asyncio.Event | None = None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(endless("renewing the lease", self._renew(lease)))
            await self._retire_others()
            for venue in self._venues:  # all of them before the first connects: users wait until each has been tried
                await venue.prepare()
            for venue in self._venues:
                tasks.create_task(endless(f"the master's sessions at {venue.label}", self._serve(venue, lease, tried)))
                tried = venue.tried

    async def _serve(self, venue: VenueSessions, lease: Lease, after: asyncio.Event | None) -> None:
        """Run an account's sessions: a further one's under a lease of its own, beside that of the leader."""
        if venue.owner == lease.holder:
            await venue.serve(lease, after)
            return
        own = await self._own_lease(venue)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(endless("renewing the lease of an account", self._renew(own)))
                tasks.create_task(endless("the sessions of an account", venue.serve(own, after)))
        finally:
            await own.release()

    async def _own_lease(self, venue: VenueSessions) -> Lease:
        """Acquire the lease of a further account: a process that led before may hold it until it has run out."""
        while (own := await acquire(self._bus, venue.owner, self._instance)) is None:
            await self._clock.sleep(_ASK_EVERY)
        return own

    async def _retire_others(self) -> None:
        """Record that an account of an earlier configuration is not served: its record may call it ready, or about to connect."""
        served = {(each.owner, each.name) for each in self._venues}
        places = [place for place in await read_master_places(self._bus) if place not in served]
        for place, account in zip(places, await self._records.accounts(places), strict=True):
            if account is not None and account.reason != NO_KEY:
                await self._records.mark_account(*place, AccountState.PARKED, NO_KEY)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await self._clock.sleep(RENEW_EVERY)
            try:
                await lease.renew()
            except BusUnavailable:
                if lease.remaining <= 0:
                    raise LeaseLost("the lease ran out while Redis was away") from None

    async def _step_down(self, lease: Lease) -> None:
        """Record that no master is connected, and release the lease; ignores an outage of Redis."""
        with suppress(BusError):
            if lease.remaining > 0:
                for venue in self._venues:
                    await self._records.mark_account(
                        venue.owner, venue.name, AccountState.CONNECTING, "no master process is connected"
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
