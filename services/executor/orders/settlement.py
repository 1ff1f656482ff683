"""Ends an order: its outcome, its report and the position it changed, in one durable step.

An outcome is booked from the venue's own record of fills, never from what was requested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.books.recorded import Books
from services.executor.account.context import AccountContext
from services.executor.account.performance.trade_sums import sums_after, sums_after_end
from shared.bus.order.book_changes import BooksAsRead, BooksChanged, PositionChange, TotalsChange
from shared.contracts.book_corrections import write_corrections
from shared.contracts.messages import ReportMessage
from shared.contracts.position_record import read_position, write_position
from shared.domain.book_corrections import book_corrections
from shared.domain.order import Decision, OrderState, Side, report_id
from shared.domain.position import Position
from shared.domain.values.money import ZERO, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.execution.acceptance import Acceptance
from shared.execution.booking import position_after
from shared.execution.totals import LegTotals, delivered_quantity
from shared.runtime.crash_points import CrashPoint
from shared.venues.port import VenueOrder

_CHANGED_PAUSE: Final = 0.1
"""Seconds before books that have changed a second time are read again."""

log = structlog.get_logger()


async def book_leg(
    context: AccountContext,
    decision: Decision,
    order: VenueOrder,
    fields: Mapping[str, str],
    acceptance: Acceptance | None = None,
) -> None:
    """Book a leg that is followed by another one: the order's record, the position and the realised profit.

    `acceptance` is the leg's, if it is not recorded yet.
    """
    if acceptance is not None:
        fields = {**acceptance.fields, **fields}
    note_price = acceptance is not None and acceptance.note_price
    async with context.positions.booking:
        books = await _books_now(context, order)
        booked = _fill_booking(context, books, decision.master, order)
        await context.store.move(
            decision.id,
            OrderState.PLANNED,
            fields,
            booked.position,
            booked.risk,
            booked.totals,
            note_price=note_price,
        )
        booked.note(context, books)
    context.account.traded(order)
    context.positions.changed.set()


async def book_part(
    context: AccountContext,
    decision: Decision,
    part: VenueOrder,
    state: OrderState,
    fields: Mapping[str, str],
    *,
    first: bool,
) -> None:
    """Book a part of a leg that rests: the order's record, now in `state`, the position and the realised profit.

    `part` is the leg's record with the sums of this part alone. `first`: nothing of the order was booked before; all its parts
    count as one trade.
    """
    async with context.positions.booking:
        books = await _books_now(context, part)
        booked = _fill_booking(context, books, decision.master, part)
        if not first and part.side is not Side.SELL:
            booked = replace(booked, risk=None)
        await context.store.move(decision.id, state, fields, booked.position, booked.risk, booked.totals)
        booked.note(context, books)
    if part.filled.amount:
        context.account.traded(part)
        context.positions.changed.set()


@dataclass(frozen=True, slots=True)
class _Booking:
    position: PositionChange | None = None
    risk: Mapping[str, str] | None = None
    totals: TotalsChange | None = None
    corrected: Mapping[str, Decimal] = field(default_factory=dict)
    """What the step changes in named masters' books beside the fill."""

    def as_read(self, books: Books) -> BooksAsRead | None:
        """Return what this was computed from; None if it changes nothing."""
        if self.position is None and self.risk is None and self.totals is None:
            return None
        sums = "" if self.totals is None else books.totals.get(self.totals.symbol)
        return BooksAsRead(
            "" if self.position is None else books.record(self.position.symbol),
            {} if isinstance(books.risk, Exception) else books.risk,
            str(sums or ""),
        )

    def note(self, context: AccountContext, books: Books) -> None:
        """Note in memory what has been written."""
        if self.position is not None or self.risk is not None or self.totals is not None:
            context.positions.recorded.wrote(books, self.position, self.risk, self.totals)


_NOTHING: Final = _Booking()


async def _books_now(context: AccountContext, order: VenueOrder) -> Books:
    """Read the books that a fill changes, where no later step compares them with what Redis holds."""
    if order.filled.amount:
        context.positions.recorded.forget()
    return await context.positions.recorded.before_fill(order.symbol)


def _fill_booking(
    context: AccountContext,
    books: Books,
    master: str,
    order: VenueOrder | None,
    written_off: Quantity | None = None,
    *,
    ends: bool = False,
) -> _Booking:
    """Return what a leg for a master changes in the position, the risk state and the sums of trades.

    No other master's book changes, and a sale is of the coins of this book at their cost. Write it before the booking lock is
    released. `ends`: it is the last leg of its order.
    """
    if order is None or order.filled.amount == 0:
        return _Booking()
    symbol = order.symbol
    now = context.clock()
    position = context.positions.before_fill(books, symbol, f"order {order.venue_order_id} is not booked in it")
    if position is None:
        return _Booking()
    before = position.book(master)
    traded = held = position_after(before, order, now)
    totals = sums_after(context.faults, books.totals.get(str(symbol)), order, before, held, now, ends=ends)
    if written_off is not None and order.side is Side.SELL:
        held = held.sold(written_off, now)
    after = position.with_book(master, held)
    change = PositionChange(str(symbol), write_position(after) if after.size.amount > 0 else None)
    corrected = _beside_the_fill(order, before, traded, held) if master else ZERO
    return _Booking(
        change,
        context.risk.after_fill(order, before, context.policy.currency, books.risk),
        totals,
        {master: corrected} if corrected else {},
    )


def _beside_the_fill(order: VenueOrder, before: Position, traded: Position, held: Position) -> Decimal:
    """Return what changes a book beside what the report states: a write-off, and a fee in base of more than the book had left."""
    excess = ZERO
    if order.side is Side.SELL:
        excess = max((delivered_quantity(order) - before.size).amount, ZERO)
    return excess + (held.size - traded.size).amount


async def _correction_booking(
    context: AccountContext, books: Books, symbol: Symbol, change: PositionChange
) -> _Booking:
    """Return what a correction of a position changes in the risk state: neither profit nor loss."""
    now = context.clock()
    before = context.positions.before_fill(books, symbol, "it is not corrected")
    if before is None:
        return _Booking()
    left = read_position(change.record) if change.record else Position.flat(symbol, now)
    risk = await context.risk.after_removal(before, left, context.policy.currency, books.risk)
    return _Booking(change, risk, corrected=book_corrections(before, left))


@dataclass(frozen=True, slots=True)
class _End:
    """What is written of an order's end beside the books."""

    report: ReportMessage
    entry_id: str
    fields: Mapping[str, str]
    acceptance: Acceptance | None
    traded: VenueOrder | None
    """The last leg."""


async def _record_end(
    context: AccountContext, end: _End, booking: Callable[[Books], Awaitable[_Booking]] | None
) -> bool:
    """Record an end with what it changes in the books, computed from them as they are; False if it had ended before."""
    recorded, acceptance, changed = context.positions.recorded, end.acceptance, False
    async with context.positions.booking:
        while True:
            report = end.report
            books = None if booking is None else await recorded.before_fill(report.symbol)
            booked = _NOTHING if booking is None or books is None else await booking(books)
            account = None if end.traded is None else context.account.after_trade(end.traded)
            if booked.corrected:
                report = report.model_copy(update={"corrected": write_corrections(booked.corrected)})
            try:
                new = await context.store.settle(
                    report,
                    entry_id=end.entry_id,
                    fields=end.fields,
                    position=booked.position,
                    risk=booked.risk,
                    totals=booked.totals,
                    as_read=None if books is None else booked.as_read(books),
                    account=None if account is None else account.fields,
                    begun=None if acceptance is None else acceptance.fields,
                    note_price=acceptance is not None and acceptance.note_price,
                )
            except BooksChanged:
                recorded.forget()
                if changed:  # without a pause, books that never stay as they were read would stop the process
                    await asyncio.sleep(_CHANGED_PAUSE)
                else:
                    log.warning(
                        "books changed while an order's end was written", user=context.user, order_id=report.order_id
                    )
                changed = True
                continue
            if new and books is not None:
                booked.note(context, books)
            if new and end.traded is not None:
                context.account.traded(end.traded, account)
            return new


async def settle(
    context: AccountContext,
    decision: Decision,
    entry_id: str,
    outcome: OrderState,
    reason: str,
    *,
    code: str = "",
    totals: LegTotals | None = None,
    traded: VenueOrder | None = None,
    position: PositionChange | None = None,
    written_off: Quantity | None = None,
    venue_order_id: str = "",
    sent_at: int | None = None,
    accepted_at: int | None = None,
    acceptance: Acceptance | None = None,
) -> None:
    """End a decision, with its last leg as `traded`. Harmless to repeat: the first end stands.

    `position` is a correction of what is held, where nothing was traded; `written_off` the rounding difference that the venue
    never credited; `acceptance` is the leg's, if it is not recorded yet.
    """
    now = context.clock()
    if not decision.signal_id:
        reason = f"{decision.reason}; {reason}"  # only the report states the reason of a user's own exit
        code = code or decision.code
    total = totals or LegTotals.nothing(decision.symbol)
    report = ReportMessage.of(
        id=report_id(decision.id),
        order_id=decision.id,
        signal_id=decision.signal_id,
        user=context.user,
        venue=decision.venue,
        symbol=decision.symbol,
        side=decision.side,
        kind=decision.kind,
        outcome=outcome,
        reason=reason,
        code=code,
        venue_order_id=venue_order_id,
        filled_size=total.filled.amount,
        average_price=total.average_price.shown() if total.average_price else None,
        fee=total.fee.amount,
        **total.report_fields(),
        master=decision.master,
        signal_at=decision.signal_at,
        sent_at=sent_at,
        accepted_at=accepted_at,
        settled_at=now,
    )
    fields = {"reason": reason, "settled_at": str(now), "venue_order_id": venue_order_id, **total.fields()}
    if acceptance is not None:
        fields["accepted_at"] = acceptance.fields["accepted_at"]
    context.crash_points.hit(CrashPoint.EXECUTOR_BEFORE_ACK)

    async def booking(books: Books) -> _Booking:
        booked = (
            _fill_booking(context, books, decision.master, traded, written_off, ends=True)
            if position is None
            else await _correction_booking(context, books, decision.symbol, position)
        )
        if total.filled.amount and (traded is None or not traded.filled.amount):  # all its legs were booked before
            sums = books.totals.get(str(decision.symbol))
            return replace(booked, totals=sums_after_end(context.faults, sums, decision.symbol))
        return booked

    changes = total.filled.amount or position is not None
    end = _End(report, entry_id, fields, acceptance, traded)
    new = await _record_end(context, end, booking if changes else None)
    if not new:
        return
    context.positions.changed.set()
    log.info(
        "order settled",
        signal_id=decision.signal_id,
        order_id=decision.id,
        user=context.user,
        symbol=str(decision.symbol),
        side=decision.side,
        outcome=outcome,
        filled=plain(total.filled.amount),
        reason=reason,
    )
