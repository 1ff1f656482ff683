"""Turns what an order filled into a signal, once, or records why it is not copied. The one writer of signals.

Own orders and scans both come here, one at a time: what the signals have emitted of an order is compared with what it has
filled, and the rest is emitted. An entry that is found too late is passed over, because a user would buy at an old price; an
exit is emitted however late it is.

An order that is no plain spot trade, is paid for in another currency or cannot be read is passed over with a reason that is kept
beside the positions; if it moved coins, it changes the position in the same step. A fill must never be emitted twice, nor dropped
without a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import Final

import structlog

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fills import missing_signal, net_size, of_the_whole
from services.master_strategy.fills.judgement import MOVES_THE_POSITION, Reason, of_leg, of_order
from services.master_strategy.fills.moves import Leg, legs, priced
from services.master_strategy.fills.own_copies import REASON, OwnCopies
from services.master_strategy.trading.own_order import OwnOrder
from shared.bus.flow.signals import SignalLog
from shared.bus.master.master_account import MasterRecords
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records
from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedOrder, UncopiedReason
from shared.domain.order import Side
from shared.domain.signal import Signal, Source
from shared.domain.values.money import ONE, Money, Price
from shared.domain.values.symbol import Symbol
from shared.execution.totals import paid_fee
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError
from shared.venues.port import OrderList, TradeKind, Venue, VenueOrder

_LEASE_NEEDED: Final = 1.0  # seconds left of the lease when a signal is emitted

_log = structlog.get_logger(__name__)


class EmitResult(Enum):
    """What became of a fill that was seen."""

    EMITTED = auto()
    NOTHING_NEW = auto()
    TOO_LATE = auto()
    NOT_COPYABLE = auto()


class SignalEmitter:
    """Emits the signals of one account under one lease. `freshness_ms` is the greatest age of an entry."""

    def __init__(
        self,
        *,
        venue: Venue,
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
        faults: Faults,
        crash_points: CrashPoints,
        name: str = "",
        symbols: Collection[Symbol] = (),
    ) -> None:
        """`name` is the master's, on each signal; empty where it has none but its venue's. Entries in other symbols than
        `symbols` are not copied, if there are any.
        """
        self._symbols = frozenset(symbols)
        self._name = name
        self._venue = venue
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
        self._faults = faults
        self._crash_points = crash_points
        self._one_at_a_time = asyncio.Lock()

    async def emit_missing(self, order: VenueOrder, own: OwnOrder | None) -> EmitResult:
        """Emit what an order has filled and no signal has. `own` is the strategy's record of it, None for any other order."""
        async with self._one_at_a_time:
            if (
                order.side is Side.BUY and self._mirror.stale
            ):  # after an outage: sizes depend on the account's present equity
                with suppress(Unavailable, OutcomeUnknown):
                    await self._mirror.refresh()
            result = EmitResult.NOTHING_NEW
            for leg in legs(order, self._book, self._mirror.currency):
                if self._book.emitted(leg.order).size < leg.order.filled:
                    of_this_leg = await self._emit_leg(order, leg, own)
                    result = of_this_leg if result is EmitResult.NOTHING_NEW else result
            return result

    async def emit_flat_exits(self, opened: OrderList | None, *, all_read: bool) -> None:
        """Compare the position with the account, and emit the exits of what is flat. Parameters as in `AccountCheck.check`."""
        async with self._one_at_a_time:
            for signal in await self._check.check(opened, all_read=all_read, price_of=self._price):
                await self._emit(signal, None)

    async def _emit_leg(self, order: VenueOrder, leg: Leg, own: OwnOrder | None) -> EmitResult:
        now = self._clock.now()
        reason = await self._why_not(order, leg, own, now)
        if reason is not None:
            await self._pass_over(leg, reason, own, now)
            return EmitResult.TOO_LATE if reason.word is UncopiedReason.TOO_LATE else EmitResult.NOT_COPYABLE
        emitted, copied = self._book.emitted(leg.order), leg.order
        if not leg.exact:
            price = await self._price(copied.symbol)
            if price is None:
                raise Unavailable(f"{copied.symbol} has no price, which the signal of its sale needs")
            copied = priced(copied, emitted, price)
        signal = missing_signal(
            copied,
            emitted,
            self._book.size_of(copied.symbol.base),
            venue=self._venue.name,
            equity=self._mirror.equity,
            equity_reason=self._mirror.equity_reason,
            source=Source.STRATEGY if own else Source.ACCOUNT,
            strategy=own.strategy if own else "",
            now=now,
            apart=self._check.apart(copied.symbol.base),
            owner=self._lease.holder,
        )
        if signal is None:
            return EmitResult.NOTHING_NEW
        await self._emit(await self._whole_if_flat(signal), own)
        if own is not None and own.record_lost:
            await self._book_lost(replace(copied, filled=signal.base_size, cost=signal.quote_size), own, now)
        return EmitResult.EMITTED

    async def _book_lost(self, traded: VenueOrder, own: OwnOrder, now: int) -> None:
        """Add an own order whose record Redis lost to its strategy's positions: no end of it will be recorded."""
        async with self._book.own.changing:
            mine = self._book.own.after(traded, own, now)
            await self._master.write(strategy=[mine])
            self._book.own.put(mine)

    async def _why_not(self, order: VenueOrder, leg: Leg, own: OwnOrder | None, now: int) -> Reason | None:
        if own is not None:
            return self._of_leg(leg, order, now)
        owner = await self._copies.owner(order.client_order_id, self._book.recent)
        if owner:
            await self._copies.stop(owner, order.client_order_id)
            return Reason(UncopiedReason.COPY_OF_A_USER, f"it is {owner}'s copy: {REASON}")
        price = await self._price(order.symbol) if order.trade is TradeKind.SIZED_IN_QUOTE else None
        reason = of_order(order, price) or self._of_leg(leg, order, now)
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

    def _of_leg(self, leg: Leg, order: VenueOrder, now: int) -> Reason | None:
        return of_leg(leg, _age(order, now), self._freshness_ms, self._mirror.currency, self._symbols)

    async def _pass_over(self, leg: Leg, reason: Reason, own: OwnOrder | None, now: int) -> None:
        """Record durably that this is not emitted, and in the same step what it changed in the position."""
        order, emitted = leg.order, self._book.emitted(leg.order)
        new, before = order.filled - emitted.size, self._book.uncopied.get(order.venue_order_id)
        size = new if before is None or before.size is None else before.size + new
        row = UncopiedOrder(order.venue_order_id, reason.word, reason.why, now, str(order.symbol), order.side, size)
        positions = []
        if leg.gains and reason.word in MOVES_THE_POSITION:
            held, moved = self._book.position(order.symbol), net_size(order, new)
            cost = order.cost - emitted.cost + Money(paid_fee(order).amount - emitted.fee, order.cost.currency)
            if not leg.exact and (price := await self._price(order.symbol)) is not None:
                cost = moved * price
            positions.append(held.bought(moved, cost, now))
        await self._master.write(positions=positions, uncopied=[row])
        self._book.uncopied[row.id] = row
        self._book.note_move(order.symbol.base, order.closed_at or now, gained=leg.gains)
        for position in positions:
            self._book.put(position)
        if own is not None and own.record_lost:  # not copied, but bought by the strategy all the same
            await self._book_lost(replace(order, filled=new, cost=order.cost - emitted.cost), own, now)
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

    async def _whole_if_flat(self, signal: Signal) -> Signal:
        """Make an exit one of the whole position if it leaves only dust: users end flat when the account does."""
        if signal.fraction is None or signal.fraction == ONE:
            return signal
        try:
            flat = await self._check.flat_after(signal, signal.price)
        except VenueError as failure:
            _log.warning("the account was not looked at after a sale", words=str(failure), symbol=str(signal.symbol))
            return signal
        return of_the_whole(signal) if flat else signal

    async def _emit(self, signal: Signal, own: OwnOrder | None) -> None:
        self._lease.require(_LEASE_NEEDED)
        self._crash_points.hit(CrashPoint.MASTER_BEFORE_EMIT)
        signal = replace(signal, master=self._name)
        entry_id = await self._signals.emit(signal)
        self._crash_points.hit(CrashPoint.MASTER_AFTER_EMIT)
        position = self._book.note(signal)
        self._check.note_sale(signal)
        await self._records.write_position(self._lease.holder, self._venue.name, position)
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
        """Publish the price paid, unless a newer one is known.

        The feed reads a symbol that no account holds only every 15 s; what users buy now would be valued by an older price.
        """
        venue, symbol = self._venue.name, signal.symbol
        known = (await self._records.prices_of(venue, [symbol])).get(symbol)
        if known is None or known[1] < signal.filled_at:
            await self._records.write_prices(venue, [signal.price], signal.filled_at)

    async def _price(self, symbol: Symbol) -> Price | None:
        """Return the venue's present price, or the last emitted one: an exit must not wait for a price."""
        try:
            found = (await self._venue.prices([symbol])).get(symbol)
        except VenueError as failure:
            _log.warning("no price of now", symbol=str(symbol), words=str(failure))
            found = None
        return found or self._book.last_price(symbol) or self._book.paid(symbol)


def _age(order: VenueOrder, now: int) -> int:
    return 0 if order.closed_at is None else now - order.closed_at
