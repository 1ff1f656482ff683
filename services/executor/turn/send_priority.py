"""Orders go first. When one signal reaches a thousand accounts of a process, every order that waits costs its user price; asking
what became of those that have left, reading balances and tidying up can wait until the last one has left.

And the first order is not to leave only when the thousandth is ready: few are prepared at a time, in the order they came in. Nor
is it to wait until thousands of accounts have been looked after that happen to be due: few are at a time, and no more once it is
there.

It must never hold anything up for good: an order that has not left within `PATIENCE` (its account waits for a reply, or is not
ready) gives its place to the next, and nobody waits longer than `LONGEST` for orders to leave, nor twice for the same one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import Final

PATIENCE: Final = 0.5
"""Seconds for which an order may hold a place."""
LONGEST: Final = 5.0
"""Seconds that anybody waits for orders to leave."""
PREPARED_AT_ONCE: Final = 128
"""Enough for full round trips to Redis, few enough for the first to leave early."""
LOOKS_AT_ONCE: Final = 256
"""How many accounts are looked after side by side: enough for thousands a second on a slow disk, while orders that come in the
meantime have to wait for so many only."""


class SendPriority:
    """The orders of one process that are about to leave, and those who let them pass.

    Both come in the order of their instants, so that one timer each watches over all of them.
    """

    def __init__(self) -> None:
        self._coming: dict[str, float] = {}
        self._places: dict[str, float] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._place_timer: asyncio.TimerHandle | None = None
        self._wait_timer: asyncio.TimerHandle | None = None

    def announce(self, order_id: str) -> None:
        """Say that an order is about to be sent: that it waits for nothing but its turn. Harmless to repeat."""
        self._coming.setdefault(order_id, asyncio.get_running_loop().time())

    async def acquire(self, order_id: str) -> None:
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
        self._places[order_id] = loop.time()
        if self._place_timer is None:
            self._place_timer = loop.call_later(PATIENCE, self._look_at_places)

    def release(self, order_id: str) -> None:
        """Say that it has been sent, or will not be; harmless to repeat."""
        if self._places.pop(order_id, None) is not None:
            self._call_next()
        if self._coming.pop(order_id, None) is not None and not self._coming:
            self._let_go(float("inf"))

    async def yield_to_sends(self) -> None:
        """Wait until no order is about to leave, at most `LONGEST`."""
        if not self._coming:
            return
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        self._waiting.append((loop.time(), over))
        if self._wait_timer is None:
            self._wait_timer = loop.call_later(LONGEST, self._look_at_waiting)
        await over

    @asynccontextmanager
    async def look(self) -> AsyncIterator[None]:
        """Do something that many accounts do again and again, and that may wait `LONGEST` and the others' looks.

        All of them at once would keep orders that come in the meantime waiting until the last is done.
        """
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + LONGEST
        while True:
            await self.yield_to_sends()
            async with self._looks:
                if not self._coming or loop.time() >= patient_until:
                    yield
                    return

    def _call_next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # whoever stopped waiting was cancelled
                turn.set_result(None)
                return

    def _let_go(self, since: float) -> None:
        """Let those go on who have waited since then or longer."""
        while self._waiting and self._waiting[0][0] <= since:
            _, over = self._waiting.popleft()
            if not over.done():
                over.set_result(None)

    def _look_at_places(self) -> None:
        """Take the places of orders that do not leave, and come back when the next one may be due."""
        self._place_timer = None
        loop = asyncio.get_running_loop()
        for order_id in _older(self._places, loop.time() - PATIENCE):
            self.release(order_id)
        if self._places:
            self._place_timer = loop.call_at(next(iter(self._places.values())) + PATIENCE, self._look_at_places)

    def _look_at_waiting(self) -> None:
        """Hold nobody up any longer who has waited long enough, nor again for the orders that he waited for."""
        self._wait_timer = None
        loop = asyncio.get_running_loop()
        since = loop.time() - LONGEST
        self._let_go(since)
        for order_id in _older(self._coming, since):
            self.release(order_id)
        if self._waiting:
            self._wait_timer = loop.call_at(self._waiting[0][0] + LONGEST, self._look_at_waiting)


def _older(instants: Mapping[str, float], since: float) -> list[str]:
    """Name those of then or before; the oldest stand first."""
    return [order_id for order_id, _ in takewhile(lambda each: each[1] <= since, instants.items())]
