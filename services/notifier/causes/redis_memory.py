"""Reads how full Redis is: once it is full nothing can be written, this notifier's own records neither."""

from __future__ import annotations

from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.state.memory import read_memory
from shared.config.notifications import Event

_EVERY_MS: Final = 3_000
_TODO: Final = "raise REDIS_MAXMEMORY and REDIS_MEMORY (by hand: CONFIG SET maxmemory), or lower RETENTION_DAYS"


class MemoryReader:
    """Asks every few seconds, and remembers the answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._asked_at: int | None = None
        self._found: list[Cause] = []

    async def read(self, now: int) -> list[Cause]:
        """Return the cause, if Redis is nearly full. Raises BusUnavailable."""
        if self._asked_at is None or not 0 <= now - self._asked_at < _EVERY_MS:
            self._asked_at = now
            use = await read_memory(self._bus)
            full = use is not None and use.nearly_full
            # It is over only after a minute below the mark: what Redis holds goes up and down with each order.
            self._found = (
                [Cause(Event.REDIS, "memory", "Redis", use.words, None, _TODO, settle_ms=60_000)]
                if use and full
                else []
            )
        return self._found
