"""Which stops rest at the venue, and this side of each: looks at it now and then, and cancels it when it is not wanted any more.

A stop counts as resting from before it is sent until its end is proved, so that nothing else sells the position meanwhile: both
together could sell more than is held. A cancel is repeated until the venue's own record shows an end.
"""

from __future__ import annotations

from typing import Final

import structlog

from services.master_strategy.clock import Clock
from services.master_strategy.trading.own_order import OwnOrder
from shared.domain.fault import FaultKind, Faults
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable
from shared.venues.port import Venue, VenueOrder

LOOK_EVERY: Final = 15.0
"""Seconds between looks at a stop that is wanted: one list for all of them. The private stream shows an end at once."""
_AFTER_CANCEL: Final = 0.5
_CANCEL_AGAIN: Final = 15.0
"""Seconds until a cancel is repeated that the venue refuses."""

_log = structlog.get_logger(__name__)


class OpenList:
    """The open orders of the account as last read, for all stops of a round: one call instead of one for each."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._read_at: float | None = None
        self._orders: dict[str, VenueOrder] = {}

    async def show(self, venue_order_id: str) -> VenueOrder | None:
        """Return an open order as the list shows it; None if it does not. Raises a VenueError."""
        if self._read_at is None or self._clock.steady() - self._read_at >= LOOK_EVERY / 2:
            listed = await self._venue.open_orders()
            self._orders = {order.venue_order_id: order for order in listed}
            self._read_at = self._clock.steady()
        return self._orders.get(venue_order_id)


class StopWatch:
    """This side of one stop; implements `RestingWatch`."""

    def __init__(self, own: OwnOrder, venue: Venue, opened: OpenList, faults: Faults, *, wanted: bool) -> None:
        self.own = own
        self._venue = venue
        self._opened = opened
        self._faults = faults
        self._wanted = wanted
        self._nudged = self._alone = not wanted
        self._subject = f"{own.owner} {own.id}"

    def withdraw(self) -> None:
        """Have it cancelled: what it would sell is sold otherwise, or it has to be another one."""
        if self._wanted:
            self._wanted = False
            self._nudged = self._alone = True

    def take_nudge(self) -> bool:
        """Return whether it is to be looked at now, once."""
        nudged, self._nudged = self._nudged, False
        return nudged

    async def look(self, venue_order_id: str) -> VenueOrder | None:
        """Return it as the shared list shows it; None if it is better asked for alone."""
        return None if self._alone else await self._opened.show(venue_order_id)

    async def seen(self, order: VenueOrder) -> float:
        """Cancel it unless it is wanted; return seconds until the next look."""
        if order.closed_at is not None:  # it has ended, and its sums may still rise
            self._alone = True
            return _AFTER_CANCEL
        if self._wanted:
            return LOOK_EVERY
        self._alone = True
        try:
            await self._venue.cancel(order)
        except (Unavailable, OutcomeUnknown) as error:
            _log.warning("a stop could not be cancelled yet", order_id=self.own.id, reason=error.words)
            return max(getattr(error, "retry_after", 0.0), _AFTER_CANCEL)
        except Rejected as error:
            reason = f"the venue refuses to cancel a stop, and so its position is not sold otherwise: {error.words}"
            if self._faults.report(FaultKind.ORDER, self._subject, reason):
                _log.error("a stop cannot be cancelled", order_id=self.own.id, reason=error.words)
            return _CANCEL_AGAIN
        return _AFTER_CANCEL

    def ended(self) -> None:
        """Clear what was reported of it."""
        self._faults.clear(FaultKind.ORDER, self._subject)


class RestingStops:
    """The stops of one session, by strategy and symbol. `wanted`: whether stops of an earlier run may go on resting."""

    def __init__(self, venue: Venue, clock: Clock, faults: Faults, *, wanted: bool) -> None:
        self._venue = venue
        self._faults = faults
        self._wanted = wanted
        self._opened = OpenList(venue, clock)
        self._watches: dict[str, StopWatch] = {}

    def begin(self, own: OwnOrder) -> StopWatch:
        """Count a stop as resting, before it is sent, or as it is found again after a restart."""
        watch = self._watches[own.id] = StopWatch(own, self._venue, self._opened, self._faults, wanted=self._wanted)
        return watch

    def end(self, own: OwnOrder) -> None:
        """Count a stop as ended: its end is proved and settled."""
        watch = self._watches.pop(own.id, None)
        if watch is not None:
            watch.ended()

    def of(self, strategy: str, symbol: Symbol) -> list[StopWatch]:
        """Return the stops of a position: one, or after a damaged restart more."""
        return [each for each in self._watches.values() if (each.own.strategy, each.own.symbol) == (strategy, symbol)]

    def all(self) -> list[StopWatch]:
        """Return all stops."""
        return list(self._watches.values())

    def withdraw(self, strategy: str, symbol: Symbol) -> bool:
        """Have the stops of a position cancelled; return whether one still rests, so that nothing else may be sold."""
        found = self.of(strategy, symbol)
        for each in found:
            each.withdraw()
        return bool(found)

    def lock(self, coin: str) -> bool:
        """Return whether a stop locks some of a coin at the venue."""
        return any(each.own.symbol.base == coin for each in self._watches.values())

    def knows(self, order: VenueOrder) -> bool:
        """Return whether an order at the venue is one of these."""
        return order.client_order_id in self._watches
