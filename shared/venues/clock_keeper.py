"""Keeps a venue's clock measured: asks for its time at once and every minute, besides the dates of all other answers.

The answers are whole seconds, so each request is timed to be most informative: a few of them are as good as one in milliseconds.
It must never fail because the venue or Redis does not answer: the last measurement stays in use, with a growing uncertainty.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from shared.venues.errors import VenueError
from shared.venues.venue_clock import VenueClock

_EVERY: Final = 60.0
_SOON: Final = 3.0
"""Seconds to the next request while the uncertainty is wide: many processes share one address and its budget of public calls."""
_WIDE_MS: Final = 60.0
_TICK: Final = 2.0
"""Seconds between two looks: people are informed of a wrong clock within 5 s."""


class ClockKeeper:
    """Measures one venue's clock. `look` is called every two seconds, to check and publish the measurement."""

    def __init__(
        self, clock: VenueClock, ask_time: Callable[[], Awaitable[None]], look: Callable[[], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._ask_time = ask_time
        self._look = look
        self._trip = 0.0
        """Round-trip time of the last request, in seconds."""

    async def run(self) -> None:
        """Measure until cancelled."""
        due = 0.0
        while True:
            if time.monotonic() >= due:
                await self._ask()
                due = time.monotonic() + (_SOON if self._vague else _EVERY)
            await self._look()
            await asyncio.sleep(min(_TICK, max(due - time.monotonic(), 0.0)))

    async def _ask(self) -> None:
        await asyncio.sleep(max(self._clock.until_next_second() - self._trip / 2, 0.0))
        began = time.monotonic()
        try:
            await self._ask_time()
        except VenueError:
            return  # the code that trades reports that the venue does not answer
        self._trip = time.monotonic() - began

    @property
    def _vague(self) -> bool:
        known = self._clock.to_steady()
        return known is None or known[1] > _WIDE_MS
