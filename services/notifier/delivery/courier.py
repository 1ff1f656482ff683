"""Carries messages from the outbox to one target, with growing pauses while it fails.

One for each target: none waits for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from services.notifier.delivery.outbox import Outbox
from services.notifier.delivery.target import SendResult, Target
from services.notifier.rules.incident import Message
from shared.bus.state.heartbeat import Heartbeat
from shared.domain.fault import FaultKind

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
_AT_THE_END: Final = 3.0
"""Seconds for which the end of the process waits for a send that has begun: less than `process.py` allows."""
_PERHAPS_AGAIN: Final = "(This may come a second time: the end of an earlier attempt is not known.)"

log = structlog.get_logger()


class Courier:
    """Sends what waits for one target, for ever."""

    def __init__(self, target: Target, outbox: Outbox, heartbeat: Heartbeat, clock: Callable[[], int]) -> None:
        self._target = target
        self._outbox = outbox
        self._heartbeat = heartbeat
        self._clock = clock
        self._pause = FIRST_PAUSE

    async def run(self) -> None:
        """Send until cancelled. Raises LeaseLost, BusUnavailable."""
        while True:
            message = self._outbox.next_for(self._target.name)
            if message is None:
                await self._outbox.wait_for_change()
            elif not await self._deliver(message):
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _deliver(self, message: Message) -> bool:
        again = self._target.name in message.begun
        body = f"{message.body}\n{_PERHAPS_AGAIN}" if again else message.body
        await self._outbox.begin(message, self._target.name)
        send = asyncio.ensure_future(self._target.send(message.title, body, message.level))
        try:
            result = await asyncio.shield(send)
        except asyncio.CancelledError:
            # A send cannot be taken back. If it ends soon, record it, so that the next notifier does not repeat it.
            await asyncio.wait({send}, timeout=_AT_THE_END)
            if send.done() and not send.cancelled() and not send.result().reason:
                await self._outbox.confirm(message, self._target.name)
            send.cancel()
            raise
        return await self._record(message, result, again=again)

    async def _record(self, message: Message, result: SendResult, *, again: bool) -> bool:
        name, label = self._target.name, self._target.label
        if not result.reason:
            await self._outbox.confirm(message, name)
            self._pause = FIRST_PAUSE
            if self._heartbeat.faults.clear(FaultKind.NOTIFY, label):
                log.info("messages can be sent again", target=label)
                await self._heartbeat.publish(self._heartbeat.state)
            return True
        kept = await self._outbox.fail(message, name, self._clock(), uncertain=result.uncertain or again)
        waiting = self._outbox.waiting_for(name)
        text = f"{waiting} message{'' if waiting == 1 else 's'} could not be sent yet: {result.reason}"
        if not kept:
            log.error("a message is given up", target=label, reason=result.reason)
        if self._heartbeat.faults.report(FaultKind.NOTIFY, label, text):
            log.warning("a message could not be sent; it is tried again", target=label, reason=result.reason)
            await self._heartbeat.publish(self._heartbeat.state)
        return False
