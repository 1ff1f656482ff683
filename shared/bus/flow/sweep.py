"""When a reader looks for entries that were delivered and that nothing works on.

A former owner of a stream may have sent its last read before it knew that its lease was gone. What that read delivers after the
new owner's first look is pending, and would stay so until its next turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.bus.connection import BLOCK_MS
from shared.bus.ownership.lease import RENEW_EVERY

FIRST_SWEEP: Final = RENEW_EVERY + BLOCK_MS / 1000 + 1.0
"""Seconds after the start: a former owner reads on until its next renewal."""
SWEEP_EVERY: Final = 30.0
"""Seconds between the later looks; nothing is expected then."""


class Sweep:
    """The times at which one reader looks. `elapsed` returns seconds of a clock that does not step."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._next = elapsed() + FIRST_SWEEP

    def due(self) -> bool:
        """Return whether it is time; then the next look is later."""
        if self._elapsed() < self._next:
            return False
        self._next = self._elapsed() + SWEEP_EVERY
        return True
