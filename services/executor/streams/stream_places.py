"""Decides which accounts of this process connect next to a venue's private streams, and which are polled.

A venue limits the connects of an address, and all processes there share one budget: masters first, then those users who have
the most orders lately. An idle account takes only what is left over: thousands of them must not use up at the start what a busy
one needs a minute later, nor all ask for tokens at once. What a process can follow is limited too; beyond that, an idle account
gives its place to a busy one.

It must never make an order wait: an account without a place is polled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from services.executor.streams.orders_lately import OrdersLately
from shared.bus.errors import BusError

MOST: Final = 500
"""Streams of one process: each sends a heartbeat a second, which has to be read."""
_AGAIN: Final = 5.0
"""Seconds between looks for a place while none is free, or the budget cannot be asked."""
_LONGEST: Final = 15.0
"""The same whatever the budget says: a user who waits may have more orders by then."""

log = structlog.get_logger()


class ConnectBudget(Protocol):
    """The connects to one venue that all processes of an address share."""

    async def take(self, *, idle: bool) -> float:
        """Take a connect for a user; return 0, or the seconds after which to ask again. Raises BusError.

        `idle`: only if that leaves enough for the others.
        """
        ...


class NoLimit:
    """The budget of a venue that limits no connects."""

    async def take(self, *, idle: bool) -> float:
        """Grant it."""
        del idle
        return 0.0


class Follower(Protocol):
    """An account that is followed by its stream, or would be."""

    orders: OrdersLately

    def give_up_place(self) -> None:
        """End the connection, and wait for a place again."""
        ...


class StreamPlaces:
    """The accounts of one process at one venue."""

    def __init__(
        self,
        budget: ConnectBudget,
        *,
        most: int = MOST,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._budget = budget
        self._most = most
        self._sleep = sleep
        self._waiting: dict[Follower, asyncio.Future[None]] = {}
        self._holding: set[Follower] = set()
        self._serving: asyncio.Task[None] | None = None
        self._busy_came = asyncio.Event()

    async def permit(self, follower: Follower) -> None:
        """Wait until this account may connect; for long, if others have more orders."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._holding.discard(follower)  # it connects again: its place is judged again
        self._waiting[follower] = turn
        if not follower.orders.idle:
            self._busy_came.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        try:
            await turn
        except asyncio.CancelledError:
            self._holding.discard(follower)  # it may have been let in a moment ago, and does not know
            raise
        finally:
            if self._waiting.get(follower) is turn:
                del self._waiting[follower]

    def release(self, follower: Follower) -> None:
        """Free the place of an account that is followed no longer."""
        self._holding.discard(follower)

    async def _serve(self) -> None:
        """Let those who wait connect, the one with the most orders first, until none waits."""
        while self._waiting:
            pause = await self._serve_one()
            if pause > 0:
                await self._rest(min(pause, _LONGEST))

    async def _rest(self, seconds: float) -> None:
        """Wait, at most until an account with orders asks for a place."""
        self._busy_came.clear()
        tasks = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._busy_came.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _serve_one(self) -> float:
        """Let one account connect; return the seconds until the next try."""
        if len(self._holding) >= self._most and not self._make_room():
            return _AGAIN
        try:
            wait = await self._budget.take(idle=self._next().orders.idle)
        except BusError as error:
            log.debug("the budget of connects could not be asked", reason=str(error))
            return _AGAIN
        if wait > 0 or not self._waiting:
            return wait
        chosen = self._next()  # while the budget was asked another may have come
        self._holding.add(chosen)
        turn = self._waiting.pop(chosen)
        if not turn.done():
            turn.set_result(None)
        else:
            self._holding.discard(chosen)
        return 0.0

    def _next(self) -> Follower:
        return max(self._waiting, key=lambda follower: follower.orders.count)

    def _make_room(self) -> bool:
        """Take the place of an idle account for one that is not; return whether there was one."""
        least = min(self._holding, key=lambda follower: follower.orders.count)
        if not least.orders.idle or self._next().orders.idle:
            return False
        self._holding.discard(least)
        least.give_up_place()
        return True
