"""Actions at an instant of the wall clock: expiries, scheduled starts, cancel-all-after."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from services.paper_exchange.core.market.clock import Clock


class Timers:
    """Callbacks by instant; `run` calls those that are due, in the order of their instants."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, instant: float, action: Callable[[], None]) -> None:
        """Schedule an action for an instant. The action itself checks whether it still applies."""
        heapq.heappush(self._heap, (instant, next(self._numbers), action))

    def run(self) -> None:
        """Run the actions that are due."""
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
