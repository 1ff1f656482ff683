"""Orders go first. When one signal reaches a thousand accounts of a process, every order that waits costs its user price;
lookups, balances and housekeeping can wait until the last one has left.

The first order must not wait until the thousandth is prepared: few are prepared at a time, in the order in which they came in.
Nor must it wait for the periodic looks at thousands of accounts: few run at a time, and no new ones while orders wait.

It must never block anything for good: an order that has not left within `PATIENCE` (its account waits for a reply, or is not
ready) releases its place, and a waiter waits at most `LONGEST` for orders to leave, and not twice for the same one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import takewhile
from typing import Final

PATIENCE: Final = 0.5
"""Seconds for which an order may hold its place."""
LONGEST: Final = 5.0
"""Seconds that a waiter waits for orders to leave."""
PREPARED_AT_ONCE: Final = 128
"""Enough to fill the round trips to Redis, few enough for the first order to leave early."""
LOOKS_AT_ONCE: Final = 256
"""How many periodic looks run side by side: enough for thousands of accounts a second on a slow disk, few enough not to delay the
orders that come in meanwhile."""


class SendPriority:
    """The orders of one process that are about to leave, and the waiters that yield to them.

    Both are kept in the order of their instants, so that one timer each serves all of them.
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
        """Announce an order that is about to be sent and waits only for its place. Harmless to repeat."""
        self._coming.setdefault(order_id, asyncio.get_running_loop().time())

    async def acquire(self, order_id: str) -> None:
        """Wait for the order's place; the caller must `release` it."""
        loop = asyncio.get_running_loop()
        if self._queue or len(self._places) >= PREPARED_AT_ONCE:
            turn = loop.create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._call_next()  # the place may have been passed on already
                raise
        self._places[order_id] = loop.time()
        if self._place_timer is None:
            self._place_timer = loop.call_later(PATIENCE, self._look_at_places)

    def release(self, order_id: str) -> None:
        """Release an order that has been sent, or will not be. Harmless to repeat."""
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

    def look(self) -> _Look:
        """Run a periodic look under `async with`, after waiting for orders (`LONGEST` at most) and for a place among the looks.

        All looks at once would delay the orders that come in meanwhile.
        """
        return _Look(self)

    async def begin_look(self) -> None:
        """Wait for orders and for a place among the looks; the caller must `end_look`."""
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + LONGEST
        while True:
            await self.yield_to_sends()
            await self._looks.acquire()
            if not self._coming or loop.time() >= patient_until:
                return
            self._looks.release()

    def end_look(self) -> None:
        """Leave the place."""
        self._looks.release()

    def _call_next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():  # a cancelled waiter is done already
                turn.set_result(None)
                return

    def _let_go(self, since: float) -> None:
        """Release the waiters that have waited since then or longer."""
        while self._waiting and self._waiting[0][0] <= since:
            _, over = self._waiting.popleft()
            if not over.done():
                over.set_result(None)

    def _look_at_places(self) -> None:
        """Release the places of orders that do not leave, and look again when the next one may be due."""
        self._place_timer = None
        loop = asyncio.get_running_loop()
        for order_id in _older(self._places, loop.time() - PATIENCE):
            self.release(order_id)
        if self._places:
            self._place_timer = loop.call_at(next(iter(self._places.values())) + PATIENCE, self._look_at_places)

    def _look_at_waiting(self) -> None:
        """Release waiters that exceeded the limit, and the orders that they waited for."""
        self._wait_timer = None
        loop = asyncio.get_running_loop()
        since = loop.time() - LONGEST
        self._let_go(since)
        for order_id in _older(self._coming, since):
            self.release(order_id)
        if self._waiting:
            self._wait_timer = loop.call_at(self._waiting[0][0] + LONGEST, self._look_at_waiting)


def _older(instants: Mapping[str, float], since: float) -> list[str]:
    """Return the ids with an instant not after `since`, oldest first."""
    return [order_id for order_id, _ in takewhile(lambda each: each[1] <= since, instants.items())]


class _Look:
    """One periodic look: a class, since a generator costs several times as much, each second for each user."""

    __slots__ = ("_priority",)

    def __init__(self, priority: SendPriority) -> None:
        self._priority = priority

    async def __aenter__(self) -> None:
        await self._priority.begin_look()

    async def __aexit__(self, *_: object) -> None:
        self._priority.end_look()
