"""Logs each row that was left out of a venue's answers once: its id, the method and the reason.

A row that cannot be read comes again with every answer; the log must not fill with it. It must never contain a row's content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults

_MOST: Final = 10_000
"""How many logged rows are remembered."""

_log = structlog.get_logger(__name__)


class RowLog:
    """The rows that one process has left out. Each is counted in `faults` and logged when it is first seen."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._said: dict[tuple[str, str], str] = {}

    def note(self, method: str, left_out: Mapping[str, str]) -> None:
        """Record what was left out of an answer to `method`: the reason by the row's id."""
        for row, why in left_out.items():
            if self._said.get((method, row)) == why:
                continue
            if len(self._said) >= _MOST:
                self._said.clear()
            self._said[method, row] = why
            self.faults.count(FaultKind.VENUE_ROW)
            _log.warning("a row of the venue's answer is left out", method=method, row=row, why=why)
