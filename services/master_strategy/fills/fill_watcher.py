"""Sees every fill on the master's account, by the venue's record alone, and tells each of them once.

Whoever placed the order - the strategy, a person, another bot - its fill is compared with what the signals have told, and the
rest is emitted. So a crash between fill and signal costs nothing but time: the next scan finds it. An entry that is found too
late is passed over, because a user would buy at a price of long ago; an exit is told however late it is.

What is no plain spot trade, what is paid for in another currency and what cannot be read is passed over too, with a reason that
is kept beside the positions; where it moved coins it changes the position in the same step. An order that rests is told when it
has ended; only where something of its coin is sold, what was bought is told first, parts of open orders included, and a part of a
sale is told as soon as it is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import Final

import structlog

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fills import missing_signal, net_size, of_the_whole
from services.master_strategy.fills.judgement import MOVES_THE_POSITION, Reason, of_leg, of_order
from services.master_strategy.fills.moves import Leg, legs, priced
from services.master_strategy.fills.own_copies import REASON, OwnCopies
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.fills.unread_rows import UnreadRows
from services.master_strategy.trading.own_order import OwnOrder, is_own_id
from shared.bus.lease import Lease
from shared.bus.master_account import MasterRecords
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.bus.signals import SignalLog
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedOrder, UncopiedReason
from shared.domain.order import Side
from shared.domain.signal import Signal, Source
from shared.domain.values.money import ONE, Price
from shared.domain.values.symbol import Symbol
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError
from shared.venues.port import OrderList, TradeKind, Venue, VenueOrder

_EVERY: Final = 12.0
"""Seconds between scans. With an order every 5 s and the account's refresh this stays within the 0.5 a second that Kraken lets
the counter of an intermediate account fall; the open orders are asked for only where something is sold or does not add up."""
_OVERLAP: Final = 60_000  # ms that scans look back: a venue lists an ended order late, and its clock is only measured
_LEASE_NEEDED: Final = 1.0  # seconds left of the lease when a signal is emitted

_log = structlog.get_logger(__name__)


class EmitResult(Enum):
    """What became of a fill that was seen."""

    EMITTED = auto()
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
        master: MasterRecords,
        lease: Lease,
        book: MasterBook,
        mirror: AccountMirror,
        check: AccountCheck,
        copies: OwnCopies,
        clock: Clock,
        freshness_ms: int,
        strategy: str,
        faults: Faults | None = None,
        health: ScanHealth | None = None,
        crash_points: CrashPoints | None = None,
    ) -> None:
        self._venue = venue
        self._store = store
        self._signals = signals
        self._records = records
        self._master = master
        self._lease = lease
        self._book = book
        self._mirror = mirror
        self._check = check
        self._copies = copies
        self._clock = clock
        self._freshness_ms = freshness_ms
        self._strategy = strategy
        self._faults = faults or Faults()
        self._health = health
        self._unread = UnreadRows(self._faults)
        self._crash_points = crash_points or CrashPoints()
        self._one_at_a_time = asyncio.Lock()
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
            if self._health is not None:
                self._health.failed(str(failure))
            return False
        if self._health is not None:
            self._health.succeeded()
        return True

    async def scan(self) -> None:
        """Compare the venue's ended orders with what was told, oldest first, and emit what is missing.

        At the very first start of an account everything before now is history and is not copied. A row that cannot be read does
        not stop the others; it is read again at the next scans, for a while.
        """
        begun = self._clock.earliest()  # the cursor must not run ahead of the venue, whatever is believed of its clock
        since = await self._first_since(begun) if self._since is None else self._since
        closed = await self._venue.closed_orders(since=since)
        await self._given_up(self._unread.take(closed.left_out, begun))
        await self._copies.look_again()
        fresh = _bought_first([order for order in closed if self._is_new(order)])
        # Parts of open orders matter where something was sold, or the account does not add up.
        sold = {coin for order in fresh for coin in self._sold_by(order)}
        opened = await self._venue.open_orders() if sold or self._check.in_doubt() else None
        resting = [order for order in opened or () if self._is_new(order)]
        bought = [order for order in resting if order.side is Side.BUY and order.symbol.base in sold]
        for order in (*bought, *fresh, *(order for order in resting if order.side is Side.SELL)):
            await self.emit_missing(order, await self._own(order))
        await self._compare_with_the_account(opened, all_read=not self._unread.waiting)
        self._since = min(max(since, begun - _OVERLAP), self._unread.since(begun))
        await self._signals.set_fill_cursor(MASTER, self._venue.name, self._since)

    async def emit_missing(self, order: VenueOrder, own: OwnOrder | None) -> EmitResult:
        """Emit what an order has filled and nobody was told. `own` is the strategy's record of it, None for anyone else's."""
        async with self._one_at_a_time:
            if order.side is Side.BUY and self._mirror.stale:  # after an outage: sizes hang on what the account has now
                with suppress(Unavailable, OutcomeUnknown):
                    await self._mirror.refresh()
            verdict = EmitResult.NOTHING_NEW
            for leg in legs(order, self._book, self._mirror.currency):
                if self._book.emitted(leg.order).size < leg.order.filled:
                    told = await self._tell(order, leg, own)
                    verdict = told if verdict is EmitResult.NOTHING_NEW else verdict
            return verdict

    async def _tell(self, order: VenueOrder, leg: Leg, own: OwnOrder | None) -> EmitResult:
        now = self._clock.now()
        reason = await self._why_not(order, leg, own, now)
        if reason is not None:
            await self._pass_over(leg, reason, own, now)
            return EmitResult.TOO_LATE if reason.word is UncopiedReason.TOO_LATE else EmitResult.NOT_COPYABLE
        told, copied = self._book.emitted(leg.order), leg.order
        if not leg.exact:
            price = await self._price(copied.symbol)
            if price is None:
                raise Unavailable(f"{copied.symbol} has no price, and what was sold of it is to be told at one")
            copied = priced(copied, told, price)
        signal = missing_signal(
            copied,
            told,
            self._book.size_of(copied.symbol.base),
            venue=self._venue.name,
            equity=self._mirror.equity,
            equity_reason=self._mirror.equity_reason,
            source=Source.STRATEGY if own else Source.ACCOUNT,
            strategy=own.strategy if own else "",
            now=now,
            apart=self._check.apart(copied.symbol.base),
        )
        if signal is None:
            return EmitResult.NOTHING_NEW
        await self._emit(await self._whole_if_flat(signal), own)
        if own is not None and own.record_lost:
            await self._book_lost(replace(copied, filled=signal.base_size, cost=signal.quote_size), now)
        return EmitResult.EMITTED

    async def _book_lost(self, traded: VenueOrder, now: int) -> None:
        """Give the strategy what it traded by an order that Redis has forgotten: no end of it will be recorded."""
        mine = self._book.own.after(traded, now)
        await self._master.write(strategy=[mine])
        self._book.own.put(mine)

    async def _why_not(self, order: VenueOrder, leg: Leg, own: OwnOrder | None, now: int) -> Reason | None:
        if own is not None:
            return of_leg(leg, _age(order, now), self._freshness_ms, self._mirror.currency)
        owner = await self._copies.owner(order.client_order_id, self._book.recent)
        if owner:
            await self._copies.stop(owner, order.client_order_id)
            return Reason(UncopiedReason.COPY_OF_A_USER, f"it is {owner}'s copy: {REASON}")
        price = await self._price(order.symbol) if order.trade is TradeKind.SIZED_IN_QUOTE else None
        reason = of_order(order, price) or of_leg(leg, _age(order, now), self._freshness_ms, self._mirror.currency)
        coin = leg.order.symbol.base
        if (
            reason is None
            and not leg.exact
            and self._book.size_of(coin).amount <= 0
            and not self._book.open_symbols(coin)
        ):
            return Reason(
                UncopiedReason.ANOTHER_QUOTE, f"it is not quoted in {self._mirror.currency}, and no {coin} was copied"
            )
        return reason

    async def _pass_over(self, leg: Leg, reason: Reason, own: OwnOrder | None, now: int) -> None:
        """Note durably that this is not told, and in the same step what it did to the position."""
        order, told = leg.order, self._book.emitted(leg.order)
        new, before = order.filled - told.size, self._book.uncopied.get(order.venue_order_id)
        size = new if before is None or before.size is None else before.size + new
        row = UncopiedOrder(order.venue_order_id, reason.word, reason.why, now, str(order.symbol), order.side, size)
        positions = []
        if leg.gains and reason.word in MOVES_THE_POSITION:
            held, moved = self._book.position(order.symbol), net_size(order, new)
            cost = order.cost - told.cost
            if not leg.exact and (price := await self._price(order.symbol)) is not None:
                cost = moved * price
            positions.append(held.bought(moved, cost, now))
        await self._master.write(positions=positions, uncopied=[row])
        self._book.uncopied[row.id] = row
        self._book.note_move(order.symbol.base, order.closed_at or now, gained=leg.gains)
        for position in positions:
            self._book.put(position)
        self._faults.count(FaultKind.MASTER_ROW)
        _log.warning(
            "fill is not told to the users",
            why=reason.why,
            reason=reason.word.value,
            venue_order_id=row.id,
            symbol=row.symbol,
            side=order.side.value,
            size=str(new),
            source=(Source.STRATEGY if own else Source.ACCOUNT).value,
        )

    async def _given_up(self, rows: Sequence[UncopiedOrder]) -> None:
        """Note durably the rows that will not be read again."""
        new = [row for row in rows if row.id not in self._book.uncopied]
        await self._master.write(uncopied=new)
        self._book.uncopied |= {row.id: row for row in new}

    async def _whole_if_flat(self, signal: Signal) -> Signal:
        """Make an exit one of the whole if it leaves no more than dust: users end flat when the account does."""
        if signal.fraction is None or signal.fraction == ONE:
            return signal
        try:
            flat = await self._check.flat_after(signal, signal.price)
        except VenueError as failure:
            _log.warning("the account was not looked at after a sale", words=str(failure), symbol=str(signal.symbol))
            return signal
        return of_the_whole(signal) if flat else signal

    async def _compare_with_the_account(self, opened: OrderList | None, *, all_read: bool) -> None:
        async with self._one_at_a_time:
            for signal in await self._check.check(opened, all_read=all_read, price_of=self._price):
                await self._emit(signal, None)

    async def _emit(self, signal: Signal, own: OwnOrder | None) -> None:
        self._lease.require(_LEASE_NEEDED)
        self._crash_points.hit(CrashPoint.MASTER_BEFORE_EMIT)
        entry_id = await self._signals.emit(signal)
        self._crash_points.hit(CrashPoint.MASTER_AFTER_EMIT)
        position = self._book.note(signal)
        self._check.note_sale(signal)
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

    async def _price(self, symbol: Symbol) -> Price | None:
        """Return the venue's price of now; what users were last told if it gives none: an exit is not to wait for a price."""
        try:
            found = (await self._venue.prices([symbol])).get(symbol)
        except VenueError as failure:
            _log.warning("no price of now", symbol=str(symbol), words=str(failure))
            found = None
        return found or self._book.last_price(symbol) or self._book.paid(symbol)

    def _is_new(self, order: VenueOrder) -> bool:
        return any(
            self._book.emitted(leg.order).size < leg.order.filled
            for leg in legs(order, self._book, self._mirror.currency)
        )

    def _sold_by(self, order: VenueOrder) -> list[str]:
        """Name the coins that an order has taken out of the account; margin takes none."""
        if order.trade is TradeKind.MARGIN:
            return []
        return [leg.order.symbol.base for leg in legs(order, self._book, self._mirror.currency) if not leg.gains]

    async def _own(self, order: VenueOrder) -> OwnOrder | None:
        fields = await self._store.load(order.client_order_id) if order.client_order_id else {}
        if not fields and is_own_id(order.client_order_id):
            return OwnOrder.lost(order, self._venue.name, self._strategy)
        try:
            return OwnOrder.read(order.client_order_id, fields) if fields else None
        except (KeyError, ValueError, ArithmeticError) as error:
            if self._faults.report(FaultKind.RECORD, order.client_order_id, f"an own order's record: {error!r}"):
                _log.error("an order's record cannot be read", order_id=order.client_order_id, error=repr(error))
            return None

    async def _first_since(self, now: int) -> int:
        known = await self._signals.fill_cursor(MASTER, self._venue.name)
        if known is None or known > now:  # none, or one that was written by a clock that was ahead
            newest = self._book.newest_fill
            known = now if newest is None else min(newest, now) - _OVERLAP  # one dated ahead must not hide the others
            await self._signals.set_fill_cursor(MASTER, self._venue.name, known)
        return known


def _age(order: VenueOrder, now: int) -> int:
    return 0 if order.closed_at is None else now - order.closed_at


def _bought_first(ended: Sequence[VenueOrder]) -> list[VenueOrder]:
    """Put a purchase before the sales of its coin that ended while it was open: a part of it may be what they sold."""
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
