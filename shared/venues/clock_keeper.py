"""Keeps a venue's clock measured: asks for its time at once and every minute, besides what every answer tells.

It must never fail because the venue or Redis does not answer: what is known stands, with a growing uncertainty.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.venues.errors import VenueError
from shared.venues.venue_clock import VenueClock

_EVERY: Final = 60.0
_SOON: Final = 7.4
"""Seconds to the next question while little is known: no whole number, since the answers are whole seconds."""
_WIDE_MS: Final = 400.0
_TICK: Final = 5.0


class ClockKeeper:
    """Measures one venue's clock. `look` is called every few seconds, for whoever judges and publishes it."""

    def __init__(
        self, clock: VenueClock, ask_time: Callable[[], Awaitable[None]] | None, look: Callable[[], Awaitable[None]]
    ) -> None:
        """Without `ask_time` the clock learns from other answers alone."""
        self._clock = clock
        self._ask_time = ask_time
        self._look = look

    async def run(self) -> None:
        """Measure until cancelled."""
        due = time.monotonic()
        while True:
            if self._ask_time is not None and time.monotonic() >= due:
                await self._ask(self._ask_time)
                due = time.monotonic() + (_SOON if self._vague else _EVERY)
            await self._look()
            await asyncio.sleep(min(_TICK, max(due - time.monotonic(), 0.0)) if self._ask_time else _TICK)

    @staticmethod
    async def _ask(ask_time: Callable[[], Awaitable[None]]) -> None:
        try:
            await ask_time()
        except VenueError:
            return  # who trades says that the venue does not answer

    @property
    def _vague(self) -> bool:
        known = self._clock.to_steady()
        return known is None or known[1] > _WIDE_MS
