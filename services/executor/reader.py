"""One blocking read for some users of the process.

A stream is read only while its lease will certainly outlive the read: an entry handed to an owner who has just lost the lease
would lie in the pending list until somebody looks. What arrives for a session that is gone stays pending for the next owner.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from shared.bus.connection import BLOCK_MS, Bus
from shared.bus.errors import BusRefused, BusUnavailable
from shared.bus.lease import Lease
from shared.bus.streams import Entry, Group
from shared.contracts import keys

_BATCH: Final = 256
_AFTER_OUTAGE: Final = 0.5
_LEASE_NEEDED: Final = BLOCK_MS / 1000 + 1.0
_SHORT_LEASE: Final = 0.2
"""Seconds until leases that are too short to read under are looked at again."""

Deliver = Callable[[Entry, bool], None]
"""Takes an entry, and whether it may have been delivered before; never raises."""

log = structlog.get_logger()


class OrderReader(Protocol):
    """Where a session gets its orders from."""

    def register(self, user: str, lease: Lease, deliver: Deliver) -> None:
        """Begin to read a user's orders."""

    async def unregister(self, user: str) -> None:
        """Stop reading a user's orders; returns when no read that includes them is under way any more."""


class StreamReader:
    """Reads new entries of every registered stream and hands each to its session."""

    def __init__(self, bus: Bus) -> None:
        self._group = Group(bus, keys.EXECUTOR)
        self._sessions: dict[str, tuple[Lease, Deliver]] = {}
        self._changed = asyncio.Event()
        self._between_reads = asyncio.Event()
        self._running = False
        self._lost = False

    def register(self, user: str, lease: Lease, deliver: Deliver) -> None:
        """Begin to read a user's orders."""
        self._sessions[keys.orders(user)] = (lease, deliver)
        self._changed.set()

    async def unregister(self, user: str) -> None:
        """Stop reading a user's orders; returns when no read that includes them is under way any more."""
        if self._sessions.pop(keys.orders(user), None) is None or not self._running:
            return
        self._between_reads.clear()
        self._changed.set()
        await self._between_reads.wait()

    async def run(self) -> None:
        """Read for ever, through outages of Redis."""
        self._running = True
        try:
            while True:
                self._changed.clear()
                self._between_reads.set()
                streams = [stream for stream, (lease, _) in self._sessions.items() if lease.remaining > _LEASE_NEEDED]
                if streams:
                    # Redis answers in the order of asking: another one goes first each time.
                    first = random.randrange(len(streams))  # noqa: S311  # fairness, not secrecy
                    await self._read([*streams[first:], *streams[:first]])
                else:
                    await self._wait_for_sessions()
        finally:
            self._running = False
            self._between_reads.set()

    async def _read(self, streams: list[str]) -> None:
        # A change of sessions does not cut the read short: it could have been answered already. Whoever joins waits at most
        # BLOCK for the next one; whoever leaves waits for this one to end.
        try:
            if self._lost:
                # An answer may have been lost on its way: what it held is pending now, and comes before anything newer.
                await self._hand_out_pending(streams)
                self._lost = False
            self._hand_out(await self._group.read_new(streams, _BATCH), redelivered=False)
        except BusUnavailable as error:
            self._lost = True
            log.warning("waiting for Redis", reason=str(error))
            await asyncio.sleep(_AFTER_OUTAGE)
        except BusRefused as error:
            self._lost = True
            log.error("Redis refuses to read orders", reason=str(error), streams=len(streams))
            await self._leave_out_broken(streams)

    async def _hand_out_pending(self, streams: list[str]) -> None:
        for stream in streams:
            self._hand_out(await self._group.all_pending(stream), redelivered=True)

    def _hand_out(self, entries: list[Entry], *, redelivered: bool) -> None:
        for entry in entries:
            session = self._sessions.get(entry.stream)
            if session is not None:
                session[1](entry, redelivered)

    async def _leave_out_broken(self, streams: list[str]) -> None:
        """Stop reading a stream that Redis will not read (a key of another type, say), so that the others go on."""
        for stream in streams:
            try:
                await self._group.ensure([stream])
                await self._group.read_pending(stream, count=1)
            except BusRefused as error:
                self._sessions.pop(stream, None)
                log.error("a user's orders cannot be read; he is left out", stream=stream, reason=str(error))
            except BusUnavailable:
                return

    async def _wait_for_sessions(self) -> None:
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHORT_LEASE if self._sessions else None):
                await self._changed.wait()
