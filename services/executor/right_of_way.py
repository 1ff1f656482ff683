"""Orders go first. When one signal reaches a thousand accounts of a process, every order that waits costs its user price; asking
what became of those that have left, reading balances and tidying up can wait until the last one has left.

It must never hold anything up for good: an order that has not left within `PATIENCE` (its account waits for a reply, or for its
turn in the symbol's chain) counts no more, and nobody waits longer than that at one crossing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

PATIENCE: Final = 0.5
"""Seconds."""


class RightOfWay:
    """The orders of one process that are about to leave, and those who let them pass."""

    def __init__(self, elapsed: Callable[[], float] = monotonic) -> None:
        self._elapsed = elapsed
        self._leaving: dict[str, float] = {}
        self._free = asyncio.Event()
        self._free.set()

    def expect(self, order_id: str) -> None:
        """Say that an order is about to be sent."""
        self._leaving[order_id] = self._elapsed()
        self._free.clear()

    def left(self, order_id: str) -> None:
        """Say that it has been sent, or will not be; harmless to repeat."""
        self._leaving.pop(order_id, None)
        if not self._leaving:
            self._free.set()

    async def give_way(self) -> None:
        """Wait until no order is about to leave, at most `PATIENCE`."""
        if self._free.is_set():
            return
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes together with the event.
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.wait()
        except TimeoutError:
            self._forget()

    def _forget(self) -> None:
        """Count those no more that have had their time."""
        late = self._elapsed() - PATIENCE
        for order_id in [each for each, since in self._leaving.items() if since <= late]:
            self.left(order_id)
