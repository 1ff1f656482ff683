"""What a caller does while its order rests at the venue: look at it now and then, book what has filled, cancel it.

Following an order to its end does not change by that: only the venue's own record ends it, whatever was asked for meanwhile. So a
cancel that meets a fill is a fill, and a cancel whose answer is lost costs only time.
"""

from __future__ import annotations

from typing import Protocol

from shared.venues.port import VenueOrder


class RestingWatch(Protocol):
    """The caller's side of one resting leg."""

    def take_nudge(self) -> bool:
        """Return whether the order is to be looked at now, because something else is wanted of it: once for each such change."""
        ...

    async def look(self, venue_order_id: str) -> VenueOrder | None:
        """Return the order if a list that many orders share shows it unchanged; None: the venue is asked for it alone.

        Raises a VenueError.
        """
        ...

    async def seen(self, order: VenueOrder) -> float:
        """Handle an order that is open: book its new fills, cancel it if it is not wanted; return seconds until the next look.

        Raises LeaseLost, BusUnavailable.
        """
        ...
