"""The engine's turn: reads signals in order, distributes each to all users, acknowledges it. One engine is active, by lease.

It must never start a signal before the previous one has reached every user that can be reached, and never acknowledge a signal
that has not reached all. If Redis refuses a write to a user's stream, the decisions are owed: they are written later, in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.input_recorder import InputRecorder
from services.copy_engine.decisions.markets import Markets
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from services.copy_engine.followers.account_routes import AccountRoutes
from services.copy_engine.followers.following_record import record_followers
from services.copy_engine.isolation import distribute_to_each
from services.copy_engine.joining.joiner import Joiner
from services.copy_engine.mirroring import mirroring
from services.copy_engine.mirroring.mirroring import Mirroring
from services.copy_engine.readiness import wait_until_open
from shared.bus.connection import BLOCK_MS, Bus
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.streams import MAX_DELIVERIES, NOTHING_DELIVERED, Entry, Group
from shared.bus.flow.sweep import Sweep
from shared.bus.flow.trimming import trim
from shared.bus.order.orders import RETENTION_MS
from shared.bus.ownership.lease import Lease
from shared.bus.state.heartbeat import Heartbeat
from shared.bus.state.records import Records
from shared.bus.users.settings_versions import SettingsVersions
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import Phase
from shared.contracts.messages import SignalMessage
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import UserPolicy
from shared.domain.signal import Signal
from shared.runtime.crash_points import CrashPoint, CrashPoints

_BATCH: Final = 32
_LEASE_NEEDED: Final = 1.0
_TRIM_EVERY: Final = 3600.0

log = structlog.get_logger()


class Engine:
    """One turn of the active engine, from its lease to its end."""

    def __init__(
        self,
        bus: Bus,
        users: Sequence[UserPolicy],
        heartbeat: Heartbeat,
        clock: Callable[[], int],
        elapsed: Callable[[], float],
        crash_points: CrashPoints | None = None,
        retention_ms: int = RETENTION_MS,
        refusal: Callable[[], str] = lambda: "",
    ) -> None:
        """`clock` returns the venue's time. `refusal` returns why this host's clock forbids entries now; empty if it does not."""
        self._bus = bus
        self._users: Sequence[UserPolicy] = _followed(users)
        self._changed: Sequence[UserPolicy] | None = None
        self._heartbeat = heartbeat
        self._clock = clock
        self._elapsed = elapsed
        self._retention_ms = retention_ms
        self._trimmed = elapsed()
        self._records = Records(bus)
        self._group = Group(bus, keys.ENGINE)
        self._crash_points = crash_points or CrashPoints()
        self._owed = OwedDecisions(bus, heartbeat.faults)
        self._versions = SettingsVersions(bus)
        inputs = InputRecorder(self._versions.of)
        self._fanout = FanOut(bus, clock, self._crash_points, refusal, self._owed, inputs)
        self._joiner = Joiner(bus, self._group, clock)
        self._routes = AccountRoutes(bus)
        self._markets = Markets(self._records, clock, elapsed)
        self._mirroring = Mirroring(bus, self._group, clock, elapsed, heartbeat.faults, refusal)

    def follow(self, users: Iterable[UserPolicy]) -> None:
        """Use other users, or other settings, from the next signal on."""
        self._changed = _followed(users)

    async def serve(self, lease: Lease) -> None:
        """Open the flow and distribute signals until cancelled. Raises LeaseLost, BusUnavailable, GroupLost.

        GroupLost means that Redis has lost its data: readiness must be read again before anything is decided.
        """
        await self._group.ensure([keys.SIGNALS])
        enabled = [policy for policy in self._users if policy.enabled and not policy.fault]
        readiness = await wait_until_open(
            self._bus,
            self._records,
            enabled,
            time.monotonic,
            self._report_waiting,
            opened_before=await self._group.last_delivered(keys.SIGNALS) != NOTHING_DELIVERED,
        )
        self._changed = self._changed or self._users
        await self._apply_settings()
        for user in (*readiness.parked, *readiness.unknown):
            log.warning("user is not ready: entries will be skipped until it is", user=user)
        log.info("Copy engine started: user trades will be replicated", ready=len(readiness.ready), users=len(enabled))
        self._heartbeat.phase = Phase.OPEN
        await self._heartbeat.publish("running")
        sweep = Sweep(self._elapsed)
        await self._process_pending()
        while True:
            lease.require(0)
            await self._write_owed()
            if sweep.due():
                await self._process_pending()
            await self._apply_settings()
            await self._advance_routes()
            await self._trim()
            more = await self._joiner.run_round(self._users, self._markets)
            await self._mirroring.round(self._users, self._markets)
            block = 1 if more else mirroring.BLOCK_MS if self._mirroring.any else BLOCK_MS
            lease.require(block / 1000 + _LEASE_NEEDED)  # what is read here is delivered to no other engine
            new = await self._group.read_new([keys.SIGNALS], _BATCH, block, renew=False)
            self._heartbeat.faults.clear(FaultKind.REDIS, keys.ENGINE)
            for entry in new:
                await self._process(entry)

    async def _process_pending(self) -> None:
        """Distribute the signals that a former engine has read and not acknowledged."""
        for entry in await self._group.all_pending(keys.SIGNALS):
            if not self._owed.owes(entry.id):
                await self._process(entry)

    async def _write_owed(self) -> None:
        """Retry decisions that Redis refused; acknowledge a signal once all of its decisions are written."""
        if settled := await self._owed.write_due():
            await self._bus.replicate()
            await self._group.ack(keys.SIGNALS, *settled)

    async def _trim(self) -> None:
        if self._elapsed() - self._trimmed > _TRIM_EVERY:
            self._trimmed = self._elapsed()
            for stream in (keys.SIGNALS, keys.MASTER_ORDERS):
                await trim(self._bus, stream, self._clock() - self._retention_ms)

    def _report_waiting(self, what: str) -> None:
        log.info(f"COPY ENGINE: waiting for {what}")
        self._heartbeat.state = f"waiting for {what}"

    async def _apply_settings(self) -> None:
        """Apply changed settings between two signals, so that all users of a signal are decided by the same settings.

        Before each signal too, not only in each round: the read before it may have waited for seconds.
        """
        while self._changed is not None:
            users, self._changed = self._changed, None
            await self._routes.load(users)
            joining = await record_followers(self._bus, self._group, users, self._clock(), self._owed.signals)
            await self._routes.advance(users, self._owed.streams)
            self._users = self._routes.applied(users)
            await self._versions.record(self._users)
            self._joiner.set_pending(joining)

    async def _advance_routes(self) -> None:
        """Carry out changes of `[follow]` that waited, for whom that is possible by now."""
        waiting = [policy for policy in self._users if policy.waiting]
        if waiting and await self._routes.advance(waiting, self._owed.streams):
            self._users = self._routes.applied(self._users)
            await self._versions.record(self._users)

    async def _process(self, entry: Entry) -> None:
        self._crash_points.hit(CrashPoint.ENGINE_AFTER_READ)
        await self._apply_settings()
        signal = await self._read(entry)
        if signal is not None:
            await self._distribute(entry, signal)
            self._crash_points.hit(CrashPoint.ENGINE_BEFORE_ACK)
            if not self._owed.owes(entry.id):
                # In a cluster a node could lose the decisions of its users when this acknowledgement is kept by another.
                await self._bus.replicate()
                await self._group.ack(keys.SIGNALS, entry.id)

    async def _distribute(self, entry: Entry, signal: Signal) -> None:
        try:
            await self._fanout.distribute(entry, signal, self._users, self._markets)
        except ENDS_A_TURN:
            raise
        except Exception:  # repeating all at once would fail again and hold up every signal behind it
            log.exception("a signal could not be carried to all at once", signal_id=signal.id)
            faults = self._heartbeat.faults
            await distribute_to_each(self._fanout, self._bus, faults, entry, signal, self._users, self._markets)

    async def _read(self, entry: Entry) -> Signal | None:
        """Parse a signal; one that cannot be read becomes a dead letter after its last delivery, so that others can follow."""
        while True:
            try:
                return SignalMessage.parse(entry.fields).to_domain()
            except MalformedMessageError as error:
                deliveries = await self._group.deliver_again(entry)
                if deliveries == 0:
                    return None  # no longer pending: an operator has dealt with it
                if deliveries >= MAX_DELIVERIES:
                    await self._dead_letter(entry, str(error))
                    return None

    async def _dead_letter(self, entry: Entry, reason: str) -> None:
        """Move a signal to the dead letters. If Redis refuses, the next engine retries: the exits behind it come first."""
        try:
            await self._group.dead_letter(entry, reason)
        except BusRefused as error:
            why = f"a signal that cannot be read cannot become a dead letter: {error}"
            if self._heartbeat.faults.report(FaultKind.STREAM, keys.dead(keys.SIGNALS), why):
                log.error("a signal that cannot be read waits", entry_id=entry.id, reason=reason, why=str(error))
        else:
            self._heartbeat.faults.clear(FaultKind.STREAM, keys.dead(keys.SIGNALS))
            log.error("a signal that cannot be read is now a dead letter", entry_id=entry.id, reason=reason)


def _followed(users: Iterable[UserPolicy]) -> list[UserPolicy]:
    return [policy for policy in users if policy.followed]
