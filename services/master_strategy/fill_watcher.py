"""Sees every fill on the master's account, by the venue's record alone, and tells each of them once.

Whoever placed the order - the strategy, a person, another bot - its fill is compared with what the signals have told, and the
rest is emitted. So a crash between fill and signal costs nothing but time: the next scan finds it. An entry that is found too
late is passed over, because a user would buy at a price of long ago; an exit is told however late it is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum, auto
from typing import Final

import structlog

from services.master_strategy.account_mirror import AccountMirror
from services.master_strategy.book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills import missing_signal
from services.master_strategy.own_order import OwnOrder
from shared.bus.lease import Lease
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.bus.signals import SignalLog
from shared.domain.account import MASTER
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal, Source
from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.port import Venue, VenueOrder

_EVERY: Final = 12.0
"""Seconds between scans. With an order every 5 s and the account's refresh this stays within the 0.5 a second that Kraken lets
the counter of an intermediate account fall."""
_OVERLAP: Final = 60_000  # ms that scans look back: a venue lists an ended order late, and its clock is not ours
_LEASE_NEEDED: Final = 1.0  # seconds left of the lease when a signal is emitted

_log = structlog.get_logger(__name__)


class Telling(Enum):
    """What became of a fill that was seen."""

    TOLD = auto()
    NOTHING_NEW = auto()
    TOO_LATE = auto()
    NOT_COPYABLE = auto()


class FillWatcher:
    """The one writer of signals. Both its ways in (own orders, scans) meet in `tell`, one at a time."""

    def __init__(
        self,
        *,
        venue: Venue,
        store: OrderStore,
        signals: SignalLog,
        records: Records,
        lease: Lease,
        book: MasterBook,
        mirror: AccountMirror,
        clock: Clock,
        freshness_ms: int,
    ) -> None:
        self._venue = venue
        self._store = store
        self._signals = signals
        self._records = records
        self._lease = lease
        self._book = book
        self._mirror = mirror
        self._clock = clock
        self._freshness_ms = freshness_ms
        self._one_at_a_time = asyncio.Lock()
        self._passed_over: set[str] = set()
        self._since: int | None = None

    async def run(self) -> None:
        """Scan for ever, through the venue's outages; a refusal ends the session."""
        while True:
            await self._clock.sleep(_EVERY)
            await self.scan_or_say_why()

    async def scan_or_say_why(self) -> bool:
        """Scan once; False if the venue gave no answer, and nothing is lost by that but time."""
        try:
            await self.scan()
        except (Unavailable, OutcomeUnknown) as failure:
            _log.warning("fills not compared: the venue gives no answer", words=str(failure))
            return False
        return True

    async def scan(self) -> None:
        """Compare the venue's ended orders with what was told, oldest first, and emit what is missing.

        At the very first start of an account everything before now is history and is not copied.
        """
        begun = self._clock.now()
        since = await self._first_since(begun) if self._since is None else self._since
        for order in await self._venue.closed_orders(since=since):
            if (self._book.told(order).size < order.filled) and order.venue_order_id not in self._passed_over:
                await self.tell(order, await self._own(order))
        self._since = max(since, begun - _OVERLAP)
        await self._signals.remember_told(MASTER, self._venue.name, self._since)

    async def tell(self, order: VenueOrder, own: OwnOrder | None) -> Telling:
        """Emit what an order has filled and nobody was told. `own` is the strategy's record of it, None for anyone else's."""
        async with self._one_at_a_time:
            if order.side is Side.BUY and self._mirror.stale:  # after an outage: sizes hang on what the account has now
                with suppress(Unavailable, OutcomeUnknown):
                    await self._mirror.refresh()
            now = self._clock.now()
            signal = missing_signal(
                order,
                self._book.told(order),
                self._book.position(order.symbol).size,
                venue=self._venue.name,
                equity=self._mirror.equity,
                equity_reason=self._mirror.equity_reason,
                source=Source.STRATEGY if own else Source.ACCOUNT,
                strategy=own.strategy if own else "",
                now=now,
            )
            if signal is None:
                return Telling.NOTHING_NEW
            verdict = self._judge(signal, now)
            if verdict is not Telling.TOLD:
                return verdict
            await self._emit(signal, own)
            return Telling.TOLD

    async def _emit(self, signal: Signal, own: OwnOrder | None) -> None:
        self._lease.require(_LEASE_NEEDED)
        entry_id = await self._signals.emit(signal)
        position = self._book.note(signal)
        await self._records.write_position(MASTER, self._venue.name, position)
        await self._publish_price(signal)
        self._mirror.note_fill()
        _log.info(
            "signal emitted" if entry_id else "signal had been emitted before",
            signal_id=signal.id,
            entry_id=entry_id,
            order_id=own.id if own else "",
            venue_order_id=signal.master_order_id,
            symbol=str(signal.symbol),
            kind=signal.kind.value,
            size=str(signal.base_size),
            price=str(signal.price),
            fraction=None if signal.fraction is None else str(signal.fraction),
            source=signal.source.value,
            age_ms=signal.emitted_at - signal.filled_at,
        )

    async def _publish_price(self, signal: Signal) -> None:
        """Publish what was paid, unless a newer price is known.

        Of a symbol that nobody held the feed asks every 15 s only; what users buy now would be valued by a price of before.
        """
        venue, symbol = self._venue.name, signal.symbol
        known = (await self._records.prices_of(venue, [symbol])).get(symbol)
        if known is None or known[1] < signal.filled_at:
            await self._records.write_prices(venue, [signal.price], signal.filled_at)

    def _judge(self, signal: Signal, now: int) -> Telling:
        age = now - signal.filled_at
        if signal.symbol.quote != self._mirror.currency:
            verdict, why = Telling.NOT_COPYABLE, f"it is not quoted in {self._mirror.currency}"
        elif signal.kind is Kind.ENTRY and age > self._freshness_ms:
            verdict, why = (
                Telling.TOO_LATE,
                f"the entry is {age / 1000:.0f} s old, {self._freshness_ms // 1000} s is the limit",
            )
        else:
            return Telling.TOLD
        if signal.master_order_id not in self._passed_over:
            self._passed_over.add(signal.master_order_id)
            _log.warning(
                "fill is not told to the users",
                why=why,
                signal_id=signal.id,
                venue_order_id=signal.master_order_id,
                symbol=str(signal.symbol),
                size=str(signal.base_size),
                source=signal.source.value,
            )
        return verdict

    async def _own(self, order: VenueOrder) -> OwnOrder | None:
        fields = await self._store.load(order.client_order_id) if order.client_order_id else {}
        return OwnOrder.read(order.client_order_id, fields) if fields else None

    async def _first_since(self, now: int) -> int:
        known = await self._signals.told_until(MASTER, self._venue.name)
        if known is None:
            newest = self._book.newest_fill
            known = now if newest is None else newest - _OVERLAP
            await self._signals.remember_told(MASTER, self._venue.name, known)
        return known
