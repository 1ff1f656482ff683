"""Signs of life: how others see that a process runs, and what it is waiting for."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from typing import Final

from shared.bus.errors import BusUnavailable
from shared.bus.records import Records

_EVERY: Final = 5.0
"""Seconds between two signs; three may be missed before the key ends."""


def instance_name() -> str:
    """Name this process among its like: host, pid and a random part, so that a restart is another owner."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Heartbeat:
    """Writes `shoal:heartbeat:<service>:<instance>` until cancelled; its value is `state`, a short text for people."""

    def __init__(self, records: Records, service: str, instance: str) -> None:
        self._records = records
        self._service = service
        self._instance = instance
        self.state = "starting"

    async def tell(self, state: str) -> None:
        """Change the state and write it at once, so that health checks need not wait."""
        self.state = state
        with suppress(BusUnavailable):
            await self._records.write_heartbeat(self._service, self._instance, state)

    async def run(self) -> None:
        """Write for ever, through outages of Redis."""
        while True:
            await self.tell(self.state)
            await asyncio.sleep(_EVERY)
