"""The engine's turn: reads signals in order, carries each to all users, acknowledges it. One engine is active, by lease.

It must never begin a signal before the one ahead of it has reached every user, and never acknowledge one that has not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from services.copy_engine.fanout import FanOut
from services.copy_engine.readiness import wait_until_open
from shared.bus.connection import Bus
from shared.bus.heartbeat import Heartbeat
from shared.bus.lease import Lease
from shared.bus.orders import RETENTION_MS
from shared.bus.records import Records, pairs
from shared.bus.streams import MAX_DELIVERIES, Entry, Group
from shared.bus.trimming import trim
from shared.config.boundary import Boundary, Step
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.instrument import Instrument
from shared.domain.policy import UserPolicy
from shared.domain.signal import Signal
from shared.domain.symbol import Symbol

_BATCH: Final = 32
_TRIM_EVERY: Final = 3600.0
_INSTRUMENTS_AGE: Final = 5.0
"""Seconds for which the published pair facts are used before they are read again."""

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
        boundary: Boundary | None = None,
        retention_ms: int = RETENTION_MS,
    ) -> None:
        self._bus = bus
        self._users = users
        self._heartbeat = heartbeat
        self._clock = clock
        self._elapsed = elapsed
        self._retention_ms = retention_ms
        self._trimmed = elapsed()
        self._records = Records(bus)
        self._group = Group(bus, keys.ENGINE)
        self._boundary = boundary or Boundary()
        self._fanout = FanOut(bus, clock, self._boundary)
        self._instruments: dict[str, tuple[float, Mapping[Symbol, Instrument]]] = {}

    async def serve(self, lease: Lease) -> None:
        """Open the flow and carry signals for ever. Raises LeaseLost, BusUnavailable."""
        await self._group.ensure([keys.SIGNALS])
        readiness = await wait_until_open(self._bus, self._records, self._users, time.monotonic, self._say_waiting)
        await self._record_followers()
        for user in (*readiness.parked, *readiness.unknown):
            log.warning("user is not ready: entries will be skipped until it is", user=user)
        log.info(
            "Copy engine started: user trades will be replicated", ready=len(readiness.ready), users=len(self._users)
        )
        await self._heartbeat.tell("running")
        for entry in await self._group.all_pending(keys.SIGNALS):
            await self._carry(entry)
        while True:
            lease.require(0)
            await self._trim()
            for entry in await self._group.read_new([keys.SIGNALS], _BATCH):
                await self._carry(entry)

    async def _trim(self) -> None:
        if self._elapsed() - self._trimmed > _TRIM_EVERY:
            self._trimmed = self._elapsed()
            await trim(self._bus, keys.SIGNALS, self._clock() - self._retention_ms)

    def _say_waiting(self, what: str) -> None:
        log.info(f"COPY ENGINE: waiting for {what}")
        self._heartbeat.state = f"waiting for {what}"

    async def _record_followers(self) -> None:
        """Note from which signal on each user is followed, so that `audit` knows what was due to whom."""
        last = await self._group.last_delivered(keys.SIGNALS)
        due = [keys.following(policy.user) for policy in self._users]
        await self._bus.do_all([("HSETNX", key, "from", last) for key in due])
        for key, answer in zip(due, await self._bus.do_all([("HGETALL", key) for key in due]), strict=True):
            if pairs(answer).get("until"):
                await self._bus.do("HSET", key, "from", last, "until", "")
        for key in set(await self._bus.scan(keys.following("*"))) - set(due):
            if not await self._bus.do("HGET", key, "until"):
                await self._bus.do("HSET", key, "until", last)

    async def _carry(self, entry: Entry) -> None:
        self._boundary.passed(Step.ENGINE_AFTER_READ)
        signal = await self._read(entry)
        if signal is not None:
            await self._fanout.carry(entry, signal, self._users, await self._pairs_of(signal.venue))
            self._boundary.passed(Step.ENGINE_BEFORE_ACK)
            await self._group.ack(keys.SIGNALS, entry.id)

    async def _read(self, entry: Entry) -> Signal | None:
        """Read a signal; one that cannot be read is buried after its last delivery, so that the rest can flow."""
        while True:
            try:
                return SignalMessage.parse(entry.fields).to_domain()
            except MalformedMessageError as error:
                if await self._group.deliver_again(entry) >= MAX_DELIVERIES:
                    await self._group.bury(entry, str(error))
                    log.error("a signal that cannot be read is now a dead letter", entry_id=entry.id, reason=str(error))
                    return None

    async def _pairs_of(self, venue: str) -> Mapping[Symbol, Instrument]:
        known = self._instruments.get(venue)
        if known is None or self._elapsed() - known[0] > _INSTRUMENTS_AGE:
            known = (self._elapsed(), await self._records.instruments(venue))
            self._instruments[venue] = known
        return known[1]
