"""One queue of work per symbol: decisions for a symbol run in order, and an unresolved order blocks only its own symbol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.domain.values.symbol import Symbol

Work = TypeVar("Work")


class SymbolQueues(Generic[Work]):
    """Runs `handle` on each piece of work: one after another within a symbol, side by side across symbols.

    Tasks live in the given group: the failure of one ends the group, and with it the turn.
    """

    def __init__(self, tasks: asyncio.TaskGroup, handle: Callable[[Work], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._handle = handle
        self._waiting: dict[Symbol, deque[Work]] = {}

    @property
    def busy(self) -> frozenset[Symbol]:
        """The symbols with work under way or waiting."""
        return frozenset(self._waiting)

    def idle(self, symbol: Symbol) -> bool:
        """Whether work that is added to this symbol begins at once."""
        return symbol not in self._waiting

    def add(self, symbol: Symbol, work: Work) -> bool:
        """Append work to a symbol's queue; return False if the turn is ending and nothing new is begun."""
        queue = self._waiting.get(symbol)
        if queue is not None:
            queue.append(work)
            return True
        self._waiting[symbol] = deque([work])
        running = self._run(symbol)
        try:
            self._tasks.create_task(running)
        except RuntimeError:  # the group is shutting down: what was not begun stays pending for the next turn
            running.close()
            return False
        return True

    def add_later(self, symbol: Symbol, work: Work, seconds: float) -> None:
        """Append work after so many seconds, behind what the queue holds then."""
        asyncio.get_running_loop().call_later(seconds, self.add, symbol, work)

    async def _run(self, symbol: Symbol) -> None:
        queue = self._waiting[symbol]
        while queue:
            await self._handle(queue[0])
            queue.popleft()
        del self._waiting[symbol]
