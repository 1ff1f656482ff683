"""The resting orders of one symbol, so that a step of the market touches only the orders that it reaches.

Two heaps by level: orders that fill or trigger when the price falls to them (buy limits, sell stops, buy take-profits), and
when it rises to them. Trailing stops move with the price, so they are checked on every step; so is the stop of a bracket, whose
limit rests in a heap. A heap entry is void when its order has ended or moved; void entries are dropped when reached, and swept
when they are the majority.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count

from services.paper_exchange.core.order import Order


class Resting:
    """The resting orders of one symbol. Levels are in ticks."""

    def __init__(self) -> None:
        self._falls: list[tuple[int, int, Order]] = []
        self._rises: list[tuple[int, int, Order]] = []
        self._places = count(1)
        self._void = 0
        self.trailing: dict[str, Order] = {}
        self.brackets: dict[str, Order] = {}

    def __len__(self) -> int:
        return len(self._falls) + len(self._rises) + len(self.trailing) - self._void

    def add(self, order: Order, level: int, *, falling: bool) -> None:
        """Add an order at a level; its former entry becomes void."""
        if order.place:
            self._void += 1
        order.place = next(self._places)
        if falling:
            heapq.heappush(self._falls, (-level, order.place, order))
        else:
            heapq.heappush(self._rises, (level, order.place, order))
        if self._void > 64 and self._void * 2 > len(self._falls) + len(self._rises):
            self._sweep()

    def discard(self, order: Order) -> None:
        """Remove an order."""
        self.brackets.pop(order.id, None)
        if self.trailing.pop(order.id, None) is None and order.place:
            order.place = 0
            self._void += 1

    def due(self, low: int, high: int) -> Iterator[Order]:
        """Remove and return the orders that a price range reaches, nearest first, then by arrival."""
        yield from self._pop(self._falls, -low)
        yield from self._pop(self._rises, high)

    def _pop(self, heap: list[tuple[int, int, Order]], bound: int) -> Iterator[Order]:
        while heap and heap[0][0] <= bound:
            _, place, order = heapq.heappop(heap)
            if order.place != place:
                self._void -= 1
                continue
            order.place = 0
            yield order

    def _sweep(self) -> None:
        self._falls = [entry for entry in self._falls if entry[2].place == entry[1]]
        self._rises = [entry for entry in self._rises if entry[2].place == entry[1]]
        heapq.heapify(self._falls)
        heapq.heapify(self._rises)
        self._void = 0
