"""Fills as the account's private stream shows them: a signal within milliseconds, for the orders of any program or person.

An order that has ended is a signal at once. One that is still filling waits for more of its fills, for a quarter of a second at
most, and is then a signal with what it has so far. What the stream does not show in full is read by a scan. Both ways in meet in
`SignalEmitter`, which compares with what was emitted: a fill is a signal once.

It must never emit sums that are not the venue's own, nor a sale before what was bought of its coin.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Final, NoReturn

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.fills.resting_orders import RestingOrders
from services.master_strategy.fills.stream_trust import StreamTrust
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import Side
from shared.execution.following.streamed_orders import StreamedOrders
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Rejected, Unavailable
from shared.venues.port import Venue, VenueOrder, VenueOrderStatus
from shared.venues.stream import ConnectPermit, FundsMoved, OrderSeen, PrivateStream, StreamRefused

MORE_FILLS: Final = 0.25
"""Seconds for which an order that is still filling waits for more fills, from its first new one."""
_RETRY: Final = 2.0
"""Seconds between comparisons while the venue does not answer."""
_MOST_LOOKUPS: Final = 5
"""Orders that are read one by one; of more, the lists are read."""
_SCAN_EVERY: Final = 1.0
"""Seconds between scans for what the stream left unclear."""

_log = structlog.get_logger(__name__)


class WaitingFills:
    """The orders with fills that are not emitted yet, in the order of their first one. Instants are seconds of a steady clock."""

    def __init__(self) -> None:
        self._orders: dict[str, VenueOrder] = {}
        self._due: dict[str, float] = {}

    def put(self, order: VenueOrder, now: float) -> None:
        """Put the latest state of an order: due at once if it has ended, else a moment after its first new fill."""
        name = order.venue_order_id
        known = self._orders.get(name)
        if known is not None and known.filled.amount > order.filled.amount:
            return  # repeated, or out of order
        self._orders[name] = order
        due = self._due.get(name, now + MORE_FILLS)
        self._due[name] = min(due, now) if order.status is VenueOrderStatus.DONE else due

    def take(self, now: float) -> list[VenueOrder]:
        """Take the orders that are due; before a sale, what was bought of its coin, due or not."""
        found: list[VenueOrder] = []
        for name in [name for name, due in self._due.items() if due <= now]:
            if name not in self._orders:
                continue  # taken before a sale
            order = self._orders[name]
            if order.side is Side.SELL:
                found += [self._remove(bought) for bought in self._bought(order.symbol.base)]
            found.append(self._remove(name))
        return found

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next one is due; None if nothing waits."""
        return max(min(self._due.values()) - now, 0.0) if self._due else None

    def _bought(self, coin: str) -> list[str]:
        return [name for name, order in self._orders.items() if order.side is Side.BUY and order.symbol.base == coin]

    def _remove(self, name: str) -> VenueOrder:
        del self._due[name]
        return self._orders.pop(name)


class FillStream:
    """The reader of one account's stream. `run` reads it for ever, `emit` writes the signals."""

    def __init__(
        self,
        *,
        venue: Venue,
        watcher: FillWatcher,
        mirror: AccountMirror,
        trust: StreamTrust,
        clock: Clock,
        faults: Faults,
        subject: str,
        own: StreamedOrders,
        resting: RestingOrders | None = None,
    ) -> None:
        """`own` waits for the ends of the strategy's orders; it and `resting` hear of every order."""
        self._own = own
        self._resting = resting
        self._venue = venue
        self._watcher = watcher
        self._mirror = mirror
        self._trust = trust
        self._clock = clock
        self._faults = faults
        self._subject = subject
        self._waiting = WaitingFills()
        self._wake = asyncio.Event()
        self._unclear: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, stream: PrivateStream, permit: ConnectPermit) -> NoReturn:
        """Read a stream for ever; an account whose key may open none is polled. Raises Rejected for a refused key."""
        self._trust.expected = True
        why = "the session has ended"
        try:
            await stream.run(self, permit)
        except StreamRefused as refused:
            why = f"the key may not open streams: {refused}"
            _log.warning("the key may not open streams: fills are polled, up to 12 s late", words=str(refused))
            self._faults.report(FaultKind.VENUE_STREAM, self._subject, why)
        finally:
            self._trust.interrupted(why)
            self._own.interrupted(why)
        await asyncio.Event().wait()
        raise AssertionError  # unreachable: nothing sets that event

    async def emit(self) -> NoReturn:
        """Emit what is due, for ever, through the venue's outages."""
        while True:
            await self._until_due()
            for order in self._waiting.take(time.monotonic()):
                await self._emit(order)

    async def clear_up(self) -> NoReturn:
        """Read by REST what the stream has left unclear, for ever: the orders that it named, or else the lists."""
        while True:
            names = {await self._unclear.get()}
            while not self._unclear.empty():
                names.add(self._unclear.get_nowait())
            if len(names) > _MOST_LOOKUPS or not all([await self._look_up(name) for name in names]):
                self._trust.doubt()  # the lists may lag
                await self._watcher.scan_or_report()
                await self._clock.sleep(_SCAN_EVERY)

    async def resumed(self, why: str) -> None:
        """Compare by REST, as often as it takes; from then on the stream is trusted."""
        self._own.interrupted(why)  # what comes during the comparison is told after it
        self._trust.doubt()  # what the comparison finds was not missed unnoticed
        compared_at = self._clock.now()
        while not await self._watcher.scan_or_report():
            await self._clock.sleep(_RETRY)
            compared_at = self._clock.now()
        self._trust.resumed(compared_at)
        await self._own.resumed(why)
        _log.info("private stream: fills were compared, it shows them now", why=why)

    def order_seen(self, seen: OrderSeen) -> None:
        """Take a fill, or an end."""
        self._own.order_seen(seen)
        order = seen.order
        if self._resting is not None:
            self._resting.seen(order, whole=seen.whole)
        if not self._watcher.is_new(order):
            return
        if not seen.whole:
            if order.status is VenueOrderStatus.DONE:
                self.unclear(order.venue_order_id, "it has ended, and its sums are not whole")
            return
        if order.status is not VenueOrderStatus.DONE:
            if seen.filled_at is None:  # it may be an old fill: it is a signal with the order's end
                return
            order = replace(order, closed_at=seen.filled_at)  # the age of what has filled so far
        self._waiting.put(order, time.monotonic())
        self._wake.set()

    def unclear(self, venue_order_id: str, why: str) -> None:
        """Have an order read by REST."""
        _log.info("private stream: an order is read by REST", venue_order_id=venue_order_id, why=why)
        self._own.unclear(venue_order_id, why)
        self._unclear.put_nowait(venue_order_id)

    def funds_moved(self, moved: FundsMoved) -> None:
        """Have the equity read again. It is no signal."""
        _log.info("funds moved on the account without an order", asset=moved.asset, kind=moved.kind.value)
        self._mirror.note_funds_moved()

    def interrupted(self, why: str) -> None:
        """Poll from now on."""
        if self._trust.alive:
            _log.warning("private stream interrupted: fills are polled until it is back", why=why)
        self._trust.interrupted(why)
        self._own.interrupted(why)

    async def _look_up(self, venue_order_id: str) -> bool:
        """Read one order; return whether that settles it.

        One that is open has filled nothing that could not be shown later; one that ended without its final sums is read again.
        """
        try:
            order = await self._venue.order(venue_order_id)
        except (Unavailable, OutcomeUnknown):
            return False
        except Rejected as refused:
            if refused.refusal in KEY_REFUSALS:
                raise
            return False
        if order.closed_at is not None and self._watcher.is_new(order):  # if its sums may rise: what it has so far
            self._waiting.put(order, time.monotonic())
            self._wake.set()
        return order.status is VenueOrderStatus.DONE or (order.closed_at is None and order.filled.amount == 0)

    async def _emit(self, order: VenueOrder) -> None:
        try:
            await self._watcher.emit_seen(order)
        except (Unavailable, OutcomeUnknown) as failure:
            self.unclear(order.venue_order_id, str(failure))

    async def _until_due(self) -> None:
        wait = self._waiting.wait(time.monotonic())
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
