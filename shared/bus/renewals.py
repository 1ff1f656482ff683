"""Keeps leases while work is done under them. Those of one process are renewed together, many in one round trip.

A process that serves thousands renews more than a thousand a second; one by one, those of a thousand users took 3.7 % of a core
more, and 2.8 % in Redis (machine of `make bench`, at rest). What must never happen here is that a lease is taken for kept which
is not: whoever works under a lost one is ended, and told why.

A lease is kept over one connection. When that is lost, so is every lease, however soon Redis is back: after a fail-over the last
second's writes are missing, and who went on from what he remembers would sell by a position of before. Whoever begins again finds
what is pending, in its order.
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
from shared.bus.lease import RENEW_EVERY, TTL_MS, Lease

_TOGETHER: Final = 0.1
"""Seconds before its time that a lease is renewed along with others."""
_GAP: Final = 0.02
"""Seconds between round trips, for commands that matter more. The longer one takes, the more leases are due for the next."""
_AFTER_OUTAGE: Final = 1.0

log = structlog.get_logger()


class Renewals:
    """The leases that one process keeps."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._kept: dict[Lease, asyncio.Future[None]] = {}
        """Each with the news of its loss; the one that was renewed longest ago comes first."""
        self._renewing: asyncio.Task[None] | None = None

    async def keep(self, lease: Lease, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` under a lease that was just acquired; whichever of the two fails ends both, and its failure is raised."""
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
        connection = asyncio.ensure_future(self._bus.until_lost())
        try:
            while self._kept:
                due_in = _due_in(next(iter(self._kept)))
                await asyncio.wait({connection}, timeout=max(due_in, _GAP))
                if connection.done():
                    connection.result()  # raises what it means
                try:
                    await self._renew(list(takewhile(lambda lease: _due_in(lease) <= _TOGETHER, self._kept)))
                except BusUnavailable:
                    # A server that only takes no commands just now is waited for while the leases still stand.
                    self._end_those_that_run_out()
                    await asyncio.wait({connection}, timeout=_AFTER_OUTAGE)
        except BusUnavailable as error:
            self._end_all(error)
        except Exception as error:  # nobody would renew them any more: whoever works under them must be told
            log.exception("renewing leases failed", leases=len(self._kept))
            self._end_all(error)
        finally:
            self._end_all(BusUnavailable("leases are not renewed any more"))  # nobody is left here, unless this died
            connection.cancel()
            if self._renewing is asyncio.current_task():
                self._renewing = None

    async def _renew(self, leases: Sequence[Lease]) -> None:
        """Renew some. Raises BusUnavailable."""
        answers = await self._bus.do_all([lease.renewal_command() for lease in leases])
        for lease, answer in zip(leases, answers, strict=True):
            await self._hear(lease, answer)

    async def _hear(self, lease: Lease, answer: Any) -> None:
        try:
            if isinstance(answer, ResponseError):
                await lease.renew()  # by the script's text: a server that was restarted does not know it yet
            else:
                lease.apply_renewal(answer)
        except BusUnavailable:
            raise
        except BusError as error:
            self._end(lease, error)
        else:
            if (lost := self._kept.pop(lease, None)) is not None:  # else the work under it has just ended
                self._kept[lease] = lost

    def _end_those_that_run_out(self) -> None:
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
