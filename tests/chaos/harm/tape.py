"""Redis's append-only log, watched so that a dead server can be made to forget its last second of writes.

What is cut off is the log's end, so what is left is the server's state of a moment ago: what a replica has that lagged behind.
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import Final

_REMEMBERED: Final = 200
_EVERY: Final = 0.05


class Tape:
    """The log of one server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "appendonlydir"
        self._seen: deque[tuple[float, Path, int]] = deque(maxlen=_REMEMBERED)

    def look(self) -> None:
        """Note how long the log is now."""
        now = time.monotonic()
        if (not self._seen or now - self._seen[-1][0] > _EVERY) and (log := self._log()):
            self._seen.append((now, log, log.stat().st_size))

    def cut(self, seconds: float) -> int:
        """Cut what was written in the last so many seconds off a dead server's log; answers how many bytes."""
        log, now = self._log(), time.monotonic()
        for at, path, size in reversed(self._seen):
            if path == log and now - at >= seconds:
                lost = log.stat().st_size - size
                os.truncate(log, size)
                self._seen.clear()
                return lost
        return 0

    def _log(self) -> Path | None:
        return max(self._folder.glob("*.incr.aof"), default=None, key=lambda path: path.stat().st_mtime)
