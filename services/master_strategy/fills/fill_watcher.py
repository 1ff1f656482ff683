"""Sees every fill on the master's account, by the venue's record alone, no matter who placed the order.

Each scan compares the ended orders with what the signals have emitted, so a crash between fill and signal costs only time: the
next scan finds it. An order that rests is emitted when it has ended. The exception: if a coin is sold, what was bought of it is
emitted first, parts of open orders included, and a part of a sale is emitted as soon as it is seen. While the account's private
stream shows the fills (`fill_stream.py`), scans are rare; they never end.

It must never move its cursor past a fill that was neither emitted nor recorded as not copied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.moves import legs
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.resting_orders import RestingOrders
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.fills.signal_emitter import EmitResult, SignalEmitter
from services.master_strategy.fills.stream_trust import StreamTrust
from services.master_strategy.fills.unread_rows import UnreadRows
from services.master_strategy.trading.own_order import OwnOrder, is_own_id, strategy_of
from shared.bus.flow.signals import SignalLog
from shared.bus.master.master_account import MasterRecords
from shared.bus.master.master_places import place_label
from shared.bus.order.orders import OrderStore
from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedOrder
from shared.domain.order import Side
from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.port import TradeKind, Venue, VenueOrder

_EVERY: Final = 12.0
"""Seconds between scans. With an order every 5 s and the account's refresh this stays within the 0.5 a second by which Kraken
lowers the counter of an intermediate account; open orders are read only when something was sold or does not add up, or while a
user mirrors them."""
_SLOW: Final = 300.0
"""Seconds between scans while the private stream shows everything."""
_OVERLAP: Final = 60_000  # ms that scans look back: a venue lists an ended order late, and its clock is only measured

_log = structlog.get_logger(__name__)


class FillWatcher:
    """Scans one account. `currency` is the one in which it is copied.

    `strategies` are the names for own orders without a record, at least one.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        store: OrderStore,
        signals: SignalLog,
        master: MasterRecords,
        emitter: SignalEmitter,
        book: MasterBook,
        check: AccountCheck,
        copies: OwnCopies,
        clock: Clock,
        currency: str,
        strategies: Sequence[str],
        faults: Faults,
        health: ScanHealth | None = None,
        resting: RestingOrders | None = None,
        trust: StreamTrust | None = None,
    ) -> None:
        self._venue = venue
        self._store = store
        self._signals = signals
        self._master = master
        self._emitter = emitter
        self._book = book
        self._check = check
        self._copies = copies
        self._clock = clock
        self._currency = currency
        self._strategies = strategies
        self._faults = faults
        self._health = health
        self._resting = resting
        self._unread = UnreadRows(faults, place_label(master.owner, venue.name))
        self._trust = trust or StreamTrust(clock, faults, venue.name)
        self._since: int | None = None
        self._scanned_at = clock.steady()
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Scan for ever, through the venue's outages; a refusal ends the session."""
        while True:
            await self._clock.sleep(_EVERY)
            await self.look()

    async def look(self) -> None:
        """Scan, or compare the balances only while the private stream shows the fills."""
        self._trust.look()
        if self._may_rest():
            await self._compare_balances()
            await self._compare_resting()
        else:
            await self.scan_or_report()

    def _may_rest(self) -> bool:
        """Return whether the lists need not be read: the stream shows the fills, and the account adds up."""
        lately = self._clock.steady() - self._scanned_at < _SLOW
        return self._trust.complete and lately and not self._check.in_doubt() and not self._unread.waiting

    async def _compare_balances(self) -> None:
        """Compare the position with the account as it was last read: coins leave without an order as well."""
        async with self._one_at_a_time:
            await self._emitter.emit_flat_exits(None, all_read=True)
        if self._health is not None:
            self._health.succeeded()

    async def _compare_resting(self) -> None:
        """Compare the open orders alone, if a user mirrors them: what the stream says of them is not all that is needed."""
        if self._resting is None or not await self._resting.wanted():
            return
        try:
            await self._resting.compare(await self._venue.open_orders())
        except (Unavailable, OutcomeUnknown) as failure:
            _log.warning("open orders not compared: the venue gives no answer", words=str(failure))

    async def emit_seen(self, order: VenueOrder) -> None:
        """Emit what the private stream has shown of an order, unless it was emitted. Raises the venue's errors."""
        async with self._one_at_a_time:
            if self.is_new(order):
                await self._emitter.emit_missing(order, await self._own(order))

    async def scan_or_report(self) -> bool:
        """Scan once; return False if the venue did not answer, which costs only time."""
        try:
            await self.scan()
        except (Unavailable, OutcomeUnknown) as failure:
            _log.warning("fills not compared: the venue gives no answer", words=str(failure))
            if self._health is not None:
                self._health.failed(str(failure))
            return False
        if self._health is not None:
            self._health.succeeded()
        return True

    async def scan(self) -> None:
        """Compare the venue's ended orders with what was emitted, oldest first, and emit what is missing.

        At the first start of an account everything before now is history and is not copied. A row that cannot be read does not
        stop the others; it is read again by later scans, for a while.
        """
        async with self._one_at_a_time:
            await self._scan()

    async def _scan(self) -> None:
        begun = self._clock.earliest()  # the cursor must not pass the venue's clock, whatever its estimate is
        since = await self._first_since(begun) if self._since is None else self._since
        closed = await self._venue.closed_orders(since=since)
        await self._given_up(self._unread.take(closed.left_out, begun))
        await self._copies.look_again()
        fresh = _bought_first([order for order in closed if self.is_new(order)])
        # Parts of open orders matter if something was sold, or if the account does not add up.
        sold = {coin for order in fresh for coin in self._sold_by(order)}
        needed = bool(sold) or self._check.in_doubt()
        mirrored = self._resting if self._resting is not None and await self._resting.wanted() else None
        listed = await self._venue.open_orders() if needed or mirrored is not None else None
        opened = listed if needed else None
        resting = [order for order in opened or () if self.is_new(order)]
        bought = [order for order in resting if order.side is Side.BUY and order.symbol.base in sold]
        for order in (*bought, *fresh, *(order for order in resting if order.side is Side.SELL)):
            result = await self._emitter.emit_missing(order, await self._own(order))
            if result is EmitResult.EMITTED and self._trust.missed(order.closed_at):
                _log.error("a scan has found a fill that the private stream did not show", id=order.venue_order_id)
        await self._emitter.emit_flat_exits(opened, all_read=not self._unread.waiting)
        self._since = min(max(since, begun - _OVERLAP), self._unread.since(begun))
        await self._signals.set_fill_cursor(self._master.owner, self._venue.name, self._since)
        if mirrored is not None and listed is not None:
            await mirrored.compare(listed)  # after the signals: what has filled by now is known to the engine
        self._scanned_at = self._clock.steady()

    async def _given_up(self, rows: Sequence[UncopiedOrder]) -> None:
        """Record durably the rows that will not be read again."""
        new = [row for row in rows if row.id not in self._book.uncopied]
        await self._master.write(uncopied=new)
        self._book.uncopied |= {row.id: row for row in new}

    def is_new(self, order: VenueOrder) -> bool:
        """Return whether an order has filled something that no signal has."""
        return any(
            self._book.emitted(leg.order).size < leg.order.filled for leg in legs(order, self._book, self._currency)
        )

    def _sold_by(self, order: VenueOrder) -> list[str]:
        """Return the coins that an order has reduced in the account; margin reduces none."""
        if order.trade is TradeKind.MARGIN:
            return []
        return [leg.order.symbol.base for leg in legs(order, self._book, self._currency) if not leg.gains]

    async def _own(self, order: VenueOrder) -> OwnOrder | None:
        fields = await self._store.load(order.client_order_id) if order.client_order_id else {}
        if not fields and is_own_id(order.client_order_id):
            strategy = strategy_of(order.client_order_id, self._strategies)
            return OwnOrder.lost(order, self._venue.name, strategy, self._master.owner)
        try:
            return OwnOrder.read(order.client_order_id, fields, self._master.owner) if fields else None
        except (KeyError, ValueError, ArithmeticError) as error:
            if self._faults.report(FaultKind.RECORD, order.client_order_id, f"an own order's record: {error!r}"):
                _log.error("an order's record cannot be read", order_id=order.client_order_id, error=repr(error))
            return None

    async def _first_since(self, now: int) -> int:
        known = await self._signals.fill_cursor(self._master.owner, self._venue.name)
        if known is None or known > now:  # none, or one that a clock that was ahead has written
            newest = self._book.newest_fill
            known = (
                now if newest is None else min(newest, now) - _OVERLAP
            )  # a fill dated ahead must not hide the others
            await self._signals.set_fill_cursor(self._master.owner, self._venue.name, known)
        return known


def _bought_first(ended: Sequence[VenueOrder]) -> list[VenueOrder]:
    """Sort a purchase before the sales of its coin that ended while it was open: they may have sold a part of it."""
    found: list[VenueOrder] = []
    for order in ended:
        meanwhile = [place for place, earlier in enumerate(found) if _sold_meanwhile(earlier, order)]
        found.insert(meanwhile[0] if meanwhile else len(found), order)
    return found


def _sold_meanwhile(earlier: VenueOrder, order: VenueOrder) -> bool:
    return (
        order.side is Side.BUY
        and earlier.side is Side.SELL
        and earlier.symbol.base == order.symbol.base
        and (earlier.closed_at or 0) >= order.opened_at
    )
