"""Keeps leases while work is done under them. Those of one process are renewed together, many in one round trip.

A process that serves thousands renews more than a thousand a second; one by one, those of a thousand users took 3.7 % of a core
more, and 2.8 % in Redis (machine of `make bench`, at rest). It must never treat a lost lease as held: the work under a lost one
is ended, with the reason.

The leases at one server are kept over one connection. When that is lost, so is every one of them, however soon Redis is back:
after a fail-over the writes of the last second are missing, and work that went on from memory would sell an outdated position.
Work that starts again finds what is pending, in sequence. In a cluster the leases at other nodes are not affected. A lease whose
slot has moved to another node ends too: a fail-over looks the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import takewhile
from typing import Any, Final

import structlog
from redis.exceptions import ResponseError

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusUnavailable
from shared.bus.ownership.lease import RENEW_EVERY, TTL_MS, Lease

_TOGETHER: Final = 0.1
"""A lease is renewed up to this many seconds early, together with others."""
_GAP: Final = 0.02
"""Seconds between round trips, left to more important commands. The longer one takes, the more leases the next one renews."""
_AFTER_OUTAGE: Final = 1.0

log = structlog.get_logger()


class Renewals:
    """The leases that one process keeps."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._at: dict[str, _RenewalsAtOneServer] = {}

    async def keep(self, lease: Lease, work: Coroutine[Any, Any, None], *, everywhere: bool = False) -> None:
        """Run `work` under a lease that was just acquired; if either fails, both end and the failure is raised.

        `everywhere`: the work relies on what all servers of a cluster hold, so it ends when any of them is lost.
        """
        try:
            node = "" if everywhere else self._bus.node_of(lease.key)
        except BusUnavailable:
            work.close()
            raise
        at = self._at.get(node)
        if at is None:
            at = self._at[node] = _RenewalsAtOneServer(self._bus, node)
        await at.keep(lease, work)


class _RenewalsAtOneServer:
    """The leases that are kept over the connection to one server; `node` is its name, an empty one stands for all servers."""

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus = bus
        self._node = node
        self._kept: dict[Lease, asyncio.Future[None]] = {}
        """Each with a future that fails when it is lost; the one renewed longest ago comes first."""
        self._renewing: asyncio.Task[None] | None = None

    async def keep(self, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """See `Renewals.keep`."""
        lost = self._kept[lease] = asyncio.get_running_loop().create_future()
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._run())
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            self._kept.pop(lease, None)
            ending: list[asyncio.Future[None]] = [task, lost]
            if not self._kept and self._renewing is not None:
                ending.append(self._renewing)
                self._renewing = None
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _run(self) -> None:
        connection = asyncio.ensure_future(self._bus.until_lost(self._node))
        try:
            while self._kept:
                due_in = _due_in(next(iter(self._kept)))
                await asyncio.wait({connection}, timeout=max(due_in, _GAP))
                if connection.done():
                    connection.result()  # raises BusUnavailable
                try:
                    await self._renew(list(takewhile(lambda lease: _due_in(lease) <= _TOGETHER, self._kept)))
                except BusUnavailable:
                    # If the server refuses commands only for a moment, wait while the leases are still held.
                    self._end_expiring()
                    await asyncio.wait({connection}, timeout=_AFTER_OUTAGE)
        except BusUnavailable as error:
            self._end_all(error)
        except Exception as error:  # no lease would be renewed any more, so the work under them must end
            log.exception("renewing leases failed", leases=len(self._kept))
            self._end_all(error)
        finally:
            self._end_all(BusUnavailable("leases are no longer renewed"))  # none is left here, unless this task failed
            connection.cancel()
            if self._renewing is asyncio.current_task():
                self._renewing = None

    async def _renew(self, leases: Sequence[Lease]) -> None:
        """Renew some leases. Raises BusUnavailable."""
        if self._node:
            leases = self._end_moved(leases)
        answers = await self._bus.do_all([lease.renewal_command() for lease in leases])
        for lease, answer in zip(leases, answers, strict=True):
            await self._apply(lease, answer)

    async def _apply(self, lease: Lease, answer: Any) -> None:
        try:
            if isinstance(answer, ResponseError):
                await lease.renew()  # by the script's text: a restarted server does not know its hash yet
            else:
                lease.apply_renewal(answer)
        except BusUnavailable:
            raise
        except BusError as error:
            self._end(lease, error)
        else:
            if (lost := self._kept.pop(lease, None)) is not None:  # otherwise the work under it has just ended
                self._kept[lease] = lost

    def _end_moved(self, leases: Sequence[Lease]) -> list[Lease]:
        """End the leases that are at another server now; return the others."""
        stay = []
        for lease in leases:
            if (node := self._bus.node_of(lease.key)) == self._node:
                stay.append(lease)
            else:
                self._end(lease, BusUnavailable(f"Redis: the slot of {lease.holder} has moved to {node}"))
        return stay

    def _end_expiring(self) -> None:
        for lease in list(self._kept):
            try:
                lease.require(RENEW_EVERY)
            except BusError as error:
                self._end(lease, error)

    def _end_all(self, error: Exception) -> None:
        for lease in list(self._kept):
            self._end(lease, error)

    def _end(self, lease: Lease, error: Exception) -> None:
        lease.invalidate()
        lost = self._kept.pop(lease, None)
        if lost is not None and not lost.done():
            lost.set_exception(error)


def _due_in(lease: Lease) -> float:
    return lease.remaining - (TTL_MS / 1000 - RENEW_EVERY)
