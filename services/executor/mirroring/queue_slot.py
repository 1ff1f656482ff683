"""A place in the queue of a symbol, held while a mirrored order sends: no other decision for the symbol runs meanwhile.

A leg is held only until it is known to be open or to have ended, since it may rest for days.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from services.executor.protection.housekeeper import Task
from services.executor.turn.symbol_queues import SymbolQueues
from shared.domain.values.symbol import Symbol


class QueueSlot:
    """`async with` waits for the turn of the symbol; `leave` lets the next one begin.

    What waits in a slot must not be waited for by what holds the queue: an exit waits for resting sales (`make_room`), so
    their legs are followed outside it.
    """

    def __init__(self, queues: SymbolQueues[Task], symbol: Symbol) -> None:
        self._queues = queues
        self._symbol = symbol
        self._entered = asyncio.Event()
        self._left = asyncio.Event()
        self._queued = False

    def queue(self) -> None:
        """Take the next place in the queue now; `async with` then waits for it."""
        if not self._queued:
            self._queued = True
            self._queues.add(
                self._symbol, self._hold
            )  # refused while the turn is ending: the wait is cancelled with it

    def leave(self) -> None:
        """Let what waits for the symbol begin. Harmless to repeat."""
        self._left.set()

    async def _hold(self) -> None:
        self._entered.set()
        await self._left.wait()

    async def __aenter__(self) -> Self:
        self.queue()
        try:
            await self._entered.wait()
        except BaseException:
            self._left.set()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
