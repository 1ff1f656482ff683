"""One blocking read for some users of the process.

A stream is read only while its lease will certainly outlive the read: an entry delivered to an owner that has just lost the lease
would stay in the pending list until the next sweep. What arrives for a turn that has ended stays pending for the next owner.

A read of many streams is refused as a whole if Redis refuses one of them (a key of another type, for example). Such streams are
identified, left out, and tried again alone until they can be read: no user may stay unread for ever or delay the others.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from shared.bus.connection import BLOCK_MS, Bus
from shared.bus.errors import BusForbidden, BusRefused, BusUnavailable
from shared.bus.flow.streams import Entry, Group
from shared.bus.ownership.lease import Lease
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults

_BATCH: Final = 256
_AFTER_OUTAGE: Final = 0.5
_LEASE_NEEDED: Final = BLOCK_MS / 1000 + 1.0
_REFUSED_PAUSE: Final = 1.0
"""Seconds until a stream that Redis refuses to read is tried again."""
READING: Final = "orders"
_SHORT_LEASE: Final = 0.2
"""Seconds until leases that are too short to read under are looked at again."""

Deliver = Callable[[Entry, bool], None]
"""Takes an entry, and whether it may have been delivered before; never raises."""

log = structlog.get_logger()


class OrderReader(Protocol):
    """Where a turn gets its orders from."""

    def register(self, user: str, lease: Lease, deliver: Deliver) -> None:
        """Begin to read a user's orders."""

    async def unregister(self, user: str) -> None:
        """Stop reading a user's orders; returns when no read that includes them is under way any more."""


class StreamReader:
    """Reads new entries of every registered stream and delivers each to its turn."""

    def __init__(self, bus: Bus, faults: Faults | None = None, name: str = READING) -> None:
        """`name` identifies this reader among those of the process: each reports the state of its own streams."""
        self._name = name
        self._group = Group(bus, keys.EXECUTOR)
        self._faults = faults or Faults()
        self._refused: dict[str, float] = {}
        """Streams that Redis refuses to read, with the loop time at which each is tried again."""
        self._registered: dict[str, tuple[Lease, Deliver]] = {}
        self._changed = asyncio.Event()
        self._between_reads = asyncio.Event()
        self._running = False
        self._lost = False

    def register(self, user: str, lease: Lease, deliver: Deliver) -> None:
        """Begin to read a user's orders."""
        self._registered[keys.orders(user)] = (lease, deliver)
        self._changed.set()

    async def unregister(self, user: str) -> None:
        """Stop reading a user's orders; returns when no read that includes them is under way any more."""
        self._take_back(keys.orders(user))
        if self._registered.pop(keys.orders(user), None) is None or not self._running:
            return
        self._between_reads.clear()
        self._changed.set()
        await self._between_reads.wait()
        if keys.orders(user) not in self._registered:  # refused by the read that was under way
            self._take_back(keys.orders(user))

    async def run(self) -> None:
        """Read for ever, through outages of Redis."""
        self._running = True
        try:
            while True:
                self._changed.clear()
                self._between_reads.set()
                await self._try_refused()
                streams = [
                    stream
                    for stream, (lease, _) in self._registered.items()
                    if lease.remaining > _LEASE_NEEDED and stream not in self._refused
                ]
                if streams:
                    # Redis answers in the order of asking: another one goes first each time.
                    first = random.randrange(len(streams))  # noqa: S311  # fairness, not secrecy
                    await self._read([*streams[first:], *streams[:first]])
                else:
                    await self._wait_for_registrations()
        finally:
            self._running = False
            self._between_reads.set()

    async def _read(self, streams: list[str]) -> None:
        # A registration does not cut the read short: it could have been answered already. A new turn waits at most BLOCK for
        # the next read; a turn that ends waits for this one.
        try:
            if self._lost:
                # An answer may have been lost: its entries are pending now, and come before anything newer.
                await self._hand_out_pending(streams)
                self._lost = False
            self._hand_out(await self._group.read_new(streams, _BATCH), redelivered=False)
            self._faults.clear(FaultKind.REDIS, self._name)
        except (BusRefused, BusForbidden) as error:  # nothing was delivered: Redis checks all streams first
            await self._leave_out_refused(streams, error)
        except BusUnavailable as error:
            await self._wait_for_redis(error)

    async def _wait_for_redis(self, error: Exception) -> None:
        self._lost = True
        if self._faults.report(FaultKind.REDIS, self._name, str(error), blocks=True):
            log.warning("waiting for Redis", reason=str(error))
        await asyncio.sleep(_AFTER_OUTAGE)

    async def _hand_out_pending(self, streams: list[str]) -> None:
        for stream in streams:
            self._hand_out(await self._group.all_pending(stream), redelivered=True)

    def _hand_out(self, entries: list[Entry], *, redelivered: bool) -> None:
        for entry in entries:
            registered = self._registered.get(entry.stream)
            if registered is not None:
                registered[1](entry, redelivered)

    async def _leave_out_refused(self, streams: list[str], error: Exception) -> None:
        """Identify the streams that Redis refuses and leave them out for a while; if it refuses all, wait as for an outage."""
        try:
            refused = await self._group.refused(streams)
        except BusUnavailable as outage:
            await self._wait_for_redis(outage)
            return
        if len(refused) == len(streams) > 1:
            await self._wait_for_redis(error)
            return
        for stream, reason in refused.items():
            self._leave_out(stream, reason)

    def _leave_out(self, stream: str, reason: str) -> None:
        self._refused[stream] = asyncio.get_running_loop().time() + _REFUSED_PAUSE
        if self._faults.report(FaultKind.STREAM, _user_of(stream), f"orders cannot be read: {reason}"):
            log.error("a user's orders cannot be read; tried again until they can", stream=stream, reason=reason)

    def _take_back(self, stream: str) -> None:
        if self._refused.pop(stream, None) is not None:
            self._faults.clear(FaultKind.STREAM, _user_of(stream))

    async def _try_refused(self) -> None:
        """Try the streams that were left out again; what has arrived meanwhile is delivered in order."""
        now = asyncio.get_running_loop().time()
        due = [stream for stream, at in self._refused.items() if at <= now]
        if not due:
            return
        try:
            refused = await self._group.refused(due)
            for stream in due:
                if stream in refused:
                    self._leave_out(stream, refused[stream])
                else:
                    await self._hand_out_pending([stream])
                    self._take_back(stream)
        except (BusUnavailable, BusRefused) as error:
            await self._wait_for_redis(error)

    async def _wait_for_registrations(self) -> None:
        if not self._registered:  # the present owners report
            self._faults.clear(FaultKind.REDIS, self._name)
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHORT_LEASE if self._registered else None):
                await self._changed.wait()


def _user_of(stream: str) -> str:
    return stream.partition("{")[2].rstrip("}")
