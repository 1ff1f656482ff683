"""This side of one resting leg: looks at it now and then, has its fills booked, and cancels it when it is not wanted any more.

A cancel is repeated until the venue's own record shows an end. It must never take an answer to a cancel for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.executor.account.faults import AccountFaults
from services.executor.mirroring.open_orders import OpenOrders
from shared.domain.fault import FaultKind
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable
from shared.venues.port import Venue, VenueOrder

LOOK_EVERY: Final = 10.0
"""Seconds between looks at a leg that rests: one lookup each, out of a small budget."""
_AFTER_CANCEL: Final = 0.5
_CANCEL_AGAIN: Final = 30.0
"""Seconds until a cancel is repeated that the venue refuses."""

log = structlog.get_logger()


class LegWatch:
    """Implements `RestingWatch` for one leg. `book` books what has filled, `unwanted` returns whether it must be cancelled."""

    def __init__(
        self,
        venue: Venue,
        faults: AccountFaults,
        open_orders: OpenOrders,
        steady: Callable[[], float],
        *,
        order_id: str,
        book: Callable[[VenueOrder], Awaitable[None]],
        unwanted: Callable[[], Awaitable[bool]],
    ) -> None:
        self._venue = venue
        self._faults = faults
        self._open_orders = open_orders
        self._steady = steady
        self._order_id = order_id
        self._book = book
        self._unwanted = unwanted
        self._nudged = False
        self._listed_since = steady()
        self._alone = True
        self.opened: Callable[[], None] = lambda: None
        """Called when the venue has shown that the leg is open."""

    def nudge(self) -> None:
        """Have the leg looked at now: something else is wanted of it."""
        self._nudged = self._alone = True

    def take_nudge(self) -> bool:
        """Return whether the leg is to be looked at now, once."""
        nudged, self._nudged = self._nudged, False
        return nudged

    async def look(self, venue_order_id: str) -> VenueOrder | None:
        """Return the leg as the shared list shows it; None if it is better asked for alone."""
        return None if self._alone else await self._open_orders.show(venue_order_id, since=self._listed_since)

    async def seen(self, order: VenueOrder) -> float:
        """Book what has filled, and cancel the leg if it is not wanted."""
        await self._book(order)
        self.opened()
        self._listed_since, self._alone = self._steady(), False
        if order.closed_at is not None:  # it has ended, and its sums may still rise
            self._alone = True
            return _AFTER_CANCEL
        if not await self._unwanted():
            return LOOK_EVERY
        self._alone = True
        try:
            await self._venue.cancel(order)
        except (Unavailable, OutcomeUnknown) as error:
            log.warning("a cancel could not be sent yet", order_id=self._order_id, reason=error.words)
            return max(getattr(error, "retry_after", 0.0), _AFTER_CANCEL)
        except Rejected as error:
            reason = f"the venue refuses to cancel it: {error.words}"
            if self._faults.report(FaultKind.ORDER, reason, f"order {self._order_id}"):
                log.error("a mirrored order cannot be cancelled", order_id=self._order_id, reason=error.words)
            return _CANCEL_AGAIN
        return _AFTER_CANCEL
