"""Orders go first. When one signal reaches a thousand accounts of a process, every order that waits costs its user price; asking
what became of those that have left, reading balances and tidying up can wait until the last one has left.

And the first order is not to leave only when the thousandth is ready: few are prepared at a time, in the order they came in.

It must never hold anything up for good: an order that has not left within `PATIENCE` (its account waits for a reply, or is not
ready) gives its place to the next, and nobody waits longer than `LONGEST` for orders to leave, nor twice for the same one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Final

PATIENCE: Final = 0.5
"""Seconds for which an order may hold a place."""
LONGEST: Final = 2.0
"""Seconds that anybody waits for orders to leave."""
PREPARED_AT_ONCE: Final = 128
"""Enough for full round trips to Redis, few enough for the first to leave early."""


class RightOfWay:
    """The orders of one process that are about to leave, and those who let them pass."""

    def __init__(self) -> None:
        self._coming: dict[str, float] = {}
        self._places: dict[str, asyncio.TimerHandle] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        self._free = asyncio.Event()
        self._free.set()

    def expect(self, order_id: str) -> None:
        """Say that an order is about to be sent."""
        self._coming[order_id] = monotonic()
        self._free.clear()

    async def enter(self, order_id: str) -> None:
        """Wait for the order's turn to be prepared; whoever enters must say when it has `left`."""
        loop = asyncio.get_running_loop()
        if self._queue or len(self._places) >= PREPARED_AT_ONCE:
            turn = loop.create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._call_next()  # the turn may have been given already
                raise
        self._places[order_id] = loop.call_later(PATIENCE, self.left, order_id)

    def left(self, order_id: str) -> None:
        """Say that it has been sent, or will not be; harmless to repeat."""
        if (timer := self._places.pop(order_id, None)) is not None:
            timer.cancel()
            self._call_next()
        self._coming.pop(order_id, None)
        if not self._coming:
            self._free.set()

    async def give_way(self) -> None:
        """Wait until no order is about to leave, at most `LONGEST`."""
        if self._free.is_set():
            return
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes together with the event.
        try:
            async with asyncio.timeout(LONGEST):
                await self._free.wait()
        except TimeoutError:
            late = monotonic() - LONGEST
            for order_id in [each for each, since in self._coming.items() if since <= late]:
                self.left(order_id)

    def _call_next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # whoever stopped waiting was cancelled
                turn.set_result(None)
                return
