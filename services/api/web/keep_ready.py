"""Keeps what the pages show up to date while there are so many users that one reading does not cover them.

Otherwise the first page after a quiet hour would show old states, or wait until all users are read. Each round reads a bounded
number of users, so it does not grow with them.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.api.read_models import ReadModels
from services.api.web.operations import OperationsReader
from services.api.web.state import StatePanel
from services.api.web.tape.tally import Tape
from shared.bus.errors import BusError

_EVERY: Final = 1.0
_STARTING: Final = 0.2
"""Seconds between two rounds until all users were read once; requests are served meanwhile."""

log = structlog.get_logger()


class KeepReady:
    """Asks for the parts of the pages that are about all users."""

    def __init__(self, models: ReadModels, panel: StatePanel, tape: Tape, operations: OperationsReader) -> None:
        self._models = models
        self._panel = panel
        self._tape = tape
        self._operations = operations

    async def run(self) -> None:
        """Keep asking until cancelled."""
        while True:
            try:
                await self.step()
            except BusError as error:
                log.debug("users cannot be read", reason=str(error))
            await asyncio.sleep(_STARTING if self._panel.unread or self._tape.unread else _EVERY)

    async def step(self) -> None:
        """Ask once, if there are many users. Raises BusUnavailable."""
        if self._models.many:
            self._panel.hurry()
            await self._models.status()
            await self._models.backlog()
            await self._tape.current()
            await self._panel.sums.get()
            await self._operations.step()
            await self._models.store_states()
