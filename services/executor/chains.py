"""One chain of work per symbol: what is decided for a symbol happens in order, and an order whose outcome is unknown holds up
only its own symbol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from shared.domain.symbol import Symbol

Work = TypeVar("Work")


class SymbolChains(Generic[Work]):
    """Runs `handle` on each piece of work: one after the other within a symbol, side by side across symbols.

    Tasks live in the given group: a failure of one ends the group, and with it the turn.
    """

    def __init__(self, tasks: asyncio.TaskGroup, handle: Callable[[Work], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._handle = handle
        self._waiting: dict[Symbol, deque[Work]] = {}

    def add(self, symbol: Symbol, work: Work) -> None:
        """Append work to a symbol's chain."""
        chain = self._waiting.get(symbol)
        if chain is not None:
            chain.append(work)
            return
        self._waiting[symbol] = deque([work])
        self._tasks.create_task(self._run(symbol))

    async def _run(self, symbol: Symbol) -> None:
        chain = self._waiting[symbol]
        while chain:
            await self._handle(chain[0])
            chain.popleft()
        del self._waiting[symbol]
