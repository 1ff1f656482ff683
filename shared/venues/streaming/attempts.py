"""Keeps one account's stream open: a permit, an attempt, and after every failure a pause and the next attempt.

It must never connect without a permit, and never leave its reader in the belief that a stream is seen that has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, NoReturn

import structlog

from shared.domain.fault import FaultKind, Faults
from shared.venues.errors import Unavailable
from shared.venues.stream import ConnectPermit, StreamReader
from shared.venues.streaming.connection import POLICY, StreamEnded
from shared.venues.streaming.delivery import Delivery
from shared.venues.streaming.reconnects import MANY, Reconnects

Attempt = Callable[[Delivery, Callable[[str], None]], Awaitable[None]]
"""Connects, subscribes and reads until the connection ends, which raises Unavailable. Calls the second argument, with the reason,
as soon as everything from then on is seen."""

_ENDED: Final = "the stream has ended"
_log = structlog.get_logger(__name__)


class Attempts:
    """The attempts of one stream. `subject` names it in logs and in the register of faults."""

    def __init__(
        self,
        subject: str,
        faults: Faults,
        *,
        reconnects: Reconnects | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._subject = subject
        self._faults = faults
        self._reconnects = reconnects or Reconnects()
        self._sleep = sleep

    async def run(self, attempt: Attempt, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        """Run attempts for ever. Raises what an attempt raises beside Unavailable, and what reader and permit raise."""
        delivery = Delivery(reader)
        await _until_one_fails(delivery.run(), self._repeat(attempt, delivery, permit))
        raise AssertionError("unreachable")

    async def _repeat(self, attempt: Attempt, delivery: Delivery, permit: ConnectPermit) -> NoReturn:
        while True:
            await permit()
            failure: Unavailable
            try:
                await attempt(delivery, partial(self._seen, delivery))
                failure = StreamEnded(_ENDED)
            except Unavailable as error:
                failure = error
            delivery.interrupt(str(failure))
            pause = self._reconnects.pause_after(failure)
            self._report(failure, pause)
            await self._sleep(pause)

    def _seen(self, delivery: Delivery, why: str) -> None:
        self._reconnects.connected()
        if self._faults.clear(FaultKind.VENUE_STREAM, self._subject):
            _log.info("private stream is open again", stream=self._subject)
        delivery.resume(why)

    def _report(self, failure: Unavailable, pause: float) -> None:
        _log.warning("private stream ended", stream=self._subject, why=str(failure), pause=round(pause, 1))
        unwelcome = isinstance(failure, StreamEnded) and failure.code == POLICY
        if unwelcome or self._reconnects.failures >= MANY:
            words = (
                "the venue does not want this stream" if unwelcome else f"{self._reconnects.failures} times in a row"
            )
            if self._faults.report(FaultKind.VENUE_STREAM, self._subject, f"{words}: {failure}"):
                _log.error("private stream needs attention", stream=self._subject, why=str(failure))


async def _until_one_fails(*work: Coroutine[Any, Any, NoReturn]) -> None:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
