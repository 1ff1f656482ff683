"""Counts outcomes: reads the report streams in small pages and rests between them.

Catching up with a long history must hold up no request.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.api.metrics import Metrics
from services.api.read_models import ReadModels
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.ledger.outcomes import OutcomeFeed

_EVERY: Final = 1.0

log = structlog.get_logger()


class OutcomeCounter:
    """Reads every outcome once and counts it in the metrics."""

    def __init__(self, bus: Bus, models: ReadModels, metrics: Metrics) -> None:
        self._feed = OutcomeFeed(bus)
        self._reader = models
        self._metrics = metrics

    async def run(self) -> None:
        """Count until cancelled, through outages of Redis."""
        lost = False
        while True:
            behind, began = False, time.monotonic()
            try:
                await self.step()
                behind = self._feed.unfinished > 0
                if lost:
                    log.info("Redis answers again")
                lost = False
            except BusError as error:
                if not lost:
                    log.warning("waiting for Redis", reason=str(error))
                lost = True
            # Requests are served between two pages; their pages would otherwise wait for it at every read of theirs.
            await asyncio.sleep(2 * (time.monotonic() - began) if behind else _EVERY)

    async def step(self) -> int:
        """Count the next page of outcomes, and return how many there were. Raises BusUnavailable."""
        outcomes = await self._feed.read(await self._reader.users())
        for outcome in outcomes:
            self._metrics.count(outcome)
        return len(outcomes)
