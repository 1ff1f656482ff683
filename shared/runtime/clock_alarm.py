"""Reports when this host's clock differs from the venue's: as a fault that status and `/readyz` show, and as one log line per
change.

It knows no venue: the offset is passed in. It must never stop an exit.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults
from shared.domain.values.clock_offset import REPORT_ABOVE_MS, STOP_ENTRIES_ABOVE_MS, ClockOffset

_OVER: Final = 0.8
"""The alarm is cleared below this share of a limit, so that a clock at the limit is not reported again and again."""
_MOVED_MS: Final = 500
"""A standing fault is reported again when the offset has changed by this much."""
_STOPPED: Final = f"no entry is sent while it is more than {STOP_ENTRIES_ABOVE_MS // 1000} s off"

log = structlog.get_logger()


class _Level(IntEnum):
    FINE = 0
    REPORTED = REPORT_ABOVE_MS
    STOPS_ENTRIES = STOP_ENTRIES_ABOVE_MS


class ClockAlarm:
    """Compares this host's clock with one venue's. `offset` returns what was measured, None before that."""

    def __init__(self, faults: Faults, offset: Callable[[], ClockOffset | None]) -> None:
        self._faults = faults
        self._offset = offset
        self._level = _Level.FINE
        self._reported_ms = 0

    def refusal(self) -> str:
        """Return why no entry may be sent now; an empty string if the clock forbids none."""
        offset = self.look()
        return f"{offset.words}; {_STOPPED}" if offset is not None and self._level is _Level.STOPS_ENTRIES else ""

    def look(self) -> ClockOffset | None:
        """Check the present offset: report or clear the fault, and log a change. Return the offset."""
        offset = self._offset()
        if offset is None:
            return None
        level = self._judge(offset)
        changed = level is not self._level
        self._level = level
        if level is _Level.FINE:
            if changed and self._faults.clear(FaultKind.CLOCK, offset.venue):
                log.info("this host's clock is right again", venue=offset.venue, offset_ms=offset.ms)
        elif changed or abs(offset.ms - self._reported_ms) > _MOVED_MS:
            self._reported_ms = offset.ms
            stops = level is _Level.STOPS_ENTRIES
            words = f"{offset.words}; {_STOPPED}" if stops else offset.words
            self._faults.report(FaultKind.CLOCK, offset.venue, words, blocks=stops)
            if changed:
                log.warning(words, venue=offset.venue, offset_ms=offset.ms, uncertainty_ms=offset.uncertainty_ms)
        return offset

    def _judge(self, offset: ClockOffset) -> _Level:
        for level in (_Level.STOPS_ENTRIES, _Level.REPORTED):
            if offset.exceeds(level) or (self._level >= level and offset.may_exceed(int(level * _OVER))):
                return level
        return _Level.FINE
