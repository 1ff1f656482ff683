"""Whether the master's fills can be seen: a system that cannot see them is not ready, whatever else runs.

Watched beside the sessions while this process leads, so that a session without its first scan counts too.
"""

from __future__ import annotations

from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.domain.fault import FaultKind, Faults

_BLIND_AFTER: Final = 60_000  # ms without a scan that succeeded
_LOOK_EVERY: Final = 1.0

_log = structlog.get_logger(__name__)


class ScanHealth:
    """When the fills were last compared with the signals, and why later scans failed."""

    def __init__(self, faults: Faults, clock: Clock, venue: str) -> None:
        self._faults = faults
        self._clock = clock
        self._venue = venue
        self._seen_at = 0
        self._why = ""

    async def watch(self) -> None:
        """Report a scan that is overdue, until cancelled: this process leads."""
        self._seen_at, self._why = self._clock.now(), "no scan has ended yet"
        try:
            while True:
                await self._clock.sleep(_LOOK_EVERY)
                self.look()
        finally:
            self._faults.clear(FaultKind.MASTER_SCAN, self._venue)  # the present leader reports

    def look(self) -> None:
        """Report if the last successful scan is too long ago."""
        late = self._clock.now() - self._seen_at
        if late < _BLIND_AFTER:
            return
        reason = f"the master's fills were last seen {late // 1000} s ago: {self._why}"
        if self._faults.report(FaultKind.MASTER_SCAN, self._venue, reason, blocks=True):
            _log.error("the master's fills cannot be seen", seconds=late // 1000, why=self._why)

    def succeeded(self) -> None:
        """Note a scan that saw everything."""
        self._seen_at = self._clock.now()
        if self._faults.clear(FaultKind.MASTER_SCAN, self._venue):
            _log.info("the master's fills can be seen again")

    def failed(self, why: str) -> None:
        """Note why there is no scan."""
        self._why = why
