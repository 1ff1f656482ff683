"""Named places between two steps of the copy path, at which a test may kill the process. Off unless DEBUG_DIE_AT names one.

They exist so that "killed between every two steps" can be tested one place at a time; they do nothing else.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum


class CrashPoint(StrEnum):
    """The places, in the sequence in which a trade passes them."""

    ENGINE_AFTER_READ = "engine-after-read"
    ENGINE_MID_FANOUT = "engine-mid-fanout"
    ENGINE_BEFORE_ACK = "engine-before-ack"
    EXECUTOR_AFTER_READ = "executor-after-read"
    EXECUTOR_AFTER_WRITE_AHEAD = "executor-after-write-ahead"
    EXECUTOR_AFTER_REPLY = "executor-after-reply"
    EXECUTOR_BEFORE_ACK = "executor-before-ack"
    MASTER_AFTER_WRITE_AHEAD = "master-after-write-ahead"
    MASTER_AFTER_REPLY = "master-after-reply"
    MASTER_BEFORE_EMIT = "master-before-emit"
    MASTER_AFTER_EMIT = "master-after-emit"
    MASTER_BEFORE_SETTLE = "master-before-settle"


class CrashPoints:
    """Kills its own process (SIGKILL, like a crash) when the armed point is reached for the n-th time."""

    def __init__(self, armed: str = "") -> None:
        """`armed` is empty, a point's name, or `name:n`. Raises ValueError for an unknown name."""
        name, _, count = armed.partition(":")
        self._point = CrashPoint(name) if name else None
        self._left = int(count or 1)

    def hit(self, point: CrashPoint) -> None:
        """Kill the process if this is the armed point, for the n-th time."""
        if point is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
