"""What one task waits for between its rounds: until another part of the process wakes it, or for so many seconds.

A process that serves thousands has several of these per user. An `asyncio.Event` keeps a queue for any number of waiters, 0.8 kB
each, and a time-out around it raises each time: thousands that are due together would delay orders.
"""

from __future__ import annotations

import asyncio


class WakeUp:
    """A flag with at most one task that waits for it."""

    __slots__ = ("_set", "_waiter")

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the task that waits; until `clear`, a wait returns at once."""
        self._set = True
        if self._waiter is not None:
            _end(self._waiter)

    def clear(self) -> None:
        """Begin again. Call it before reading what may change, so that a change meanwhile is not missed."""
        self._set = False

    def is_set(self) -> bool:
        """Return whether it was set since the last `clear`."""
        return self._set

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, for at most so many seconds; return whether it is. Raises RuntimeError if another task waits."""
        if self._set:
            return True
        if self._waiter is not None:
            raise RuntimeError("another task waits for it")
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _end, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return self._set


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
