"""Heartbeats: they show that a process runs, what it is waiting for, and its faults."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from shared import __version__
from shared.bus.errors import BusError
from shared.bus.state.records import Records
from shared.contracts.heartbeat import HeartbeatRecord, Phase, write_counts, write_faults
from shared.domain.fault import Faults

_EVERY: Final = 5.0
"""Seconds between two heartbeats; three may be missed before the key expires."""
_LOOK_EVERY: Final = 0.5
"""Seconds until a new fault, or the end of one, is published: people are informed within 5 s, the way to them included."""


def instance_name() -> str:
    """Return a unique name for this process: host, pid and a random part, so that a restart is another owner."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Heartbeat:
    """Writes `shoal:heartbeat:<service>:<instance>` until cancelled; `state` is a short text for people.

    `faults` is the register of the process, published with each heartbeat. An executor also sets `capacity`, `serving` and
    `groups`. `mode` is paper or live, `phase` how far the process has started, for programs that judge by it.
    """

    def __init__(
        self,
        records: Records,
        service: str,
        instance: str,
        faults: Faults | None = None,
        clock: Callable[[], int] = lambda: 0,
        mode: str = "",
    ) -> None:
        self._records = records
        self._service = service
        self._instance = instance
        self._clock = clock
        self._mode = mode
        self._said = ""
        self._since = 0
        self.faults = faults or Faults()
        self.state = "starting"
        self.phase: Phase | None = None
        self.capacity: int | None = None
        self.serving: int | None = None
        self.groups = ""

    async def publish(self, state: str) -> None:
        """Set the state and write it at once, so that health checks need not wait."""
        self.state = state
        if state != self._said:
            self._said, self._since = state, self._clock()
        sign = HeartbeatRecord(
            state=state,
            since=self._since,
            version=__version__,
            capacity=self.capacity,
            serving=self.serving,
            faults=write_faults(self.faults.standing),
            fault_counts=write_counts(self.faults.events),
            mode=self._mode,
            phase=self.phase,
            groups=self.groups,
        )
        with suppress(BusError):
            await self._records.write_heartbeat(self._service, self._instance, sign)

    async def run(self) -> None:
        """Write for ever, through outages of Redis; sooner than is due when a fault has begun or ended."""
        with suppress(BusError):
            await self._records.forget_processes()
        loop = asyncio.get_running_loop()
        while True:
            published, due = self.faults.changes, loop.time() + _EVERY
            await self.publish(self.state)
            while (left := due - loop.time()) > 0:
                await asyncio.sleep(min(left, _LOOK_EVERY))
                if self.faults.changes != published:
                    break
