"""What a run still has to do, each at its time, and the log of what it did."""

from __future__ import annotations

import heapq
import itertools
import json
import time
from collections.abc import Callable
from typing import TextIO


class Agenda:
    """Acts by the steady clock. `log` gets one JSON object a line."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Have something done at an instant of `time.monotonic`; of two at one instant the one noted first."""
        heapq.heappush(self._due, (when, next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something done so many seconds from now."""
        self.at(time.monotonic() + seconds, act)

    def work_off(self, meanwhile: Callable[[], None]) -> None:
        """Do everything at its time, or as soon after it as this machine can; calls `meanwhile` in between."""
        while self._due:
            when, _, act = heapq.heappop(self._due)
            while (wait := when - time.monotonic()) > 0:
                meanwhile()
                time.sleep(min(wait, 0.1))  # the script says when
            meanwhile()
            act()

    def note(self, what: str, **more: object) -> None:
        """Write down what was done."""
        self._log.write(json.dumps({"at": round(time.time(), 3), "act": what, **more}, default=str) + "\n")
        self._log.flush()
