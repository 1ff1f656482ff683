"""One list of an account's open orders for all its resting legs: looking at each alone would use up the key's rate budget.

It only ever says that an order is open. One that it does not show is asked for alone: a list proves no end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from shared.venues.port import Venue, VenueOrder

LIST_EVERY: Final = 10.0
"""Seconds for which a list is used."""
_ALONE: Final = 1
"""With so few orders at rest it is cheaper to ask for each alone."""


class OpenOrders:
    """The open orders of one account, as last listed."""

    def __init__(self, venue: Venue, steady: Callable[[], float], resting: Callable[[], int]) -> None:
        """`steady` returns seconds of a clock that does not step, `resting` how many legs rest now."""
        self._venue = venue
        self._steady = steady
        self._resting = resting
        self._listed_at: float | None = None
        self._orders: dict[str, VenueOrder] = {}
        self._lock = asyncio.Lock()

    async def show(self, venue_order_id: str, *, since: float) -> VenueOrder | None:
        """Return an order that is open, by a list made after the steady instant `since`; None if it must be asked for alone.

        Raises a VenueError.
        """
        if self._resting() <= _ALONE:
            return None
        async with self._lock:
            if self._listed_at is None or self._listed_at < since or self._steady() - self._listed_at > LIST_EVERY:
                asked_at = self._steady()
                listed = await self._venue.open_orders()
                self._orders = {order.venue_order_id: order for order in listed}
                self._listed_at = asked_at
        return self._orders.get(venue_order_id)
