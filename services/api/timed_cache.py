"""A value that is read at most once per interval: a page that a hundred browsers refresh costs one read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TimedCache(Generic[T]):
    """Keeps the last value for `seconds`. Callers that come during a read wait for it; a failure is not kept."""

    def __init__(
        self, read: Callable[[], Awaitable[T]], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: tuple[float, T] | None = None
        self._forgotten = 0

    def forget(self) -> None:
        """Read again at the next call, because the value has changed; what is being read now is not kept either."""
        self._kept = None
        self._forgotten += 1

    async def get(self) -> T:
        """Return a value whose read began at most the interval before this call. Raises what the read raises."""
        asked = self._clock()
        async with self._lock:
            if self._kept is None or self._kept[0] <= asked - self._seconds:
                began, before = self._clock(), self._forgotten
                self._kept = None
                found = await self._read()
                if self._forgotten != before:
                    return found
                self._kept = (began, found)
            return self._kept[1]
