"""Pauses a strategy that failed: it decides nothing until its code changes or the master starts again.

A pause never stops exits: what the strategy holds is still sold by its recorded exit plans.
"""

from __future__ import annotations

from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults

_LONGEST: Final = 300

_log = structlog.get_logger(__name__)


class Pause:
    """Whether one strategy is paused, and why; shown as a fault of the process."""

    def __init__(self, strategy: str, faults: Faults) -> None:
        self._strategy = strategy
        self._faults = faults
        self._faults.clear(FaultKind.STRATEGY, strategy)
        self.reason = ""
        """Why it is paused; empty if it is not."""

    def begin(self, reason: str) -> None:
        """Pause the strategy."""
        self.reason = "".join(each if each.isprintable() else " " for each in reason)[:_LONGEST]
        self._faults.report(FaultKind.STRATEGY, self._strategy, f"paused: {self.reason}")
        _log.error(
            "strategy paused: it decides nothing; what it holds is sold by its exit plans alone",
            strategy=self._strategy,
            why=self.reason,
            again="when its file changes, or after a restart",
        )

    def end(self) -> None:
        """Let the strategy decide again."""
        if self.reason:
            _log.warning("strategy resumes: its file has changed", strategy=self._strategy)
        self.reason = ""
        self._faults.clear(FaultKind.STRATEGY, self._strategy)
