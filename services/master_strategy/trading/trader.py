"""Sends the master's own orders and follows each to its proven end.

The intent is written before the bytes leave, under an id that was chosen before, and an order goes out once. Its end is what the
venue's record says: a lost answer is looked up, and nothing else is sent for that symbol until the venue has told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.trading.absence import AbsenceProofs
from services.master_strategy.trading.order_plan import OrderPlan
from services.master_strategy.trading.own_order import OwnOrder, own_id
from services.master_strategy.trading.write_ahead import Denied, WriteAhead
from shared.bus.orders import PositionChange
from shared.contracts.position_record import write_position
from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.account import MASTER
from shared.domain.exits import credited_short
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import Kind, OrderState
from shared.domain.signal import signal_id
from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.runtime.crash_points import CrashPoint, CrashPoints
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Venue, VenueOrder, VenueOrderStatus

SEND_TIMEOUT_MS: Final = 8_000
"""From the decision to the venue's deadline: enough for a wait in the lane and one slow answer."""
_FIRST_WAIT: Final = 0.25  # seconds between lookups of one order; doubled each time
_FIRST_SEARCH: Final = 1.0  # the same for an order without a name: a search costs six times a lookup by id
_LONGEST_WAIT: Final = 10.0
_PATIENCE: Final = 20_000  # ms after which a part that has filled is told although the order is still open
_LOOK_BACK: Final = 60_000  # ms before the send from which on trades are searched
_REST: Final = 15_000  # ms for which a symbol is left alone after an order that filled nothing
_LOST: Final = 30.0
"""Seconds between questions about an order that the venue has named and shows no more: a question and a whole search each."""
_LISTEN: Final = 2.0
"""Seconds between looks for an operator's verdict."""
_KEY_TROUBLE: Final = frozenset({Refusal.AUTH, Refusal.LOCKED, Refusal.NONCE})

_log = structlog.get_logger(__name__)


class Trader:
    """Carries orders in the background of `tasks`, at most one per symbol. Failures of bus and key end the whole group."""

    def __init__(
        self,
        *,
        venue: Venue,
        ahead: WriteAhead,
        watcher: FillWatcher,
        book: MasterBook,
        mirror: AccountMirror,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        new_id: Callable[[], str],
        strategy: str,
        faults: Faults | None = None,
        crash_points: CrashPoints | None = None,
    ) -> None:
        self._venue = venue
        self._ahead = ahead
        self._watcher = watcher
        self._book = book
        self._mirror = mirror
        self._clock = clock
        self._tasks = tasks
        self._new_id = new_id
        self._strategy = strategy
        self._faults = faults or Faults()
        self._proofs = AbsenceProofs(clock)
        self._under_way = book.under_way
        self._under_way.clear()
        self._crash_points = crash_points or CrashPoints()
        self._rests_until: dict[Symbol, int] = {}
        self._short_of: set[Symbol] = set()

    def available(self, symbol: Symbol) -> bool:
        """Say whether an order may be started: none is under way, and none has just failed."""
        return symbol not in self._under_way and self._clock.now() >= self._rests_until.get(symbol, 0)

    def refused_for_funds(self, symbol: Symbol) -> bool:
        """Say whether the last sale of a symbol was refused because the venue does not let go of the whole."""
        return symbol in self._short_of

    def start(self, symbol: Symbol, plan: OrderPlan) -> OwnOrder:
        """Send an order in the background and follow it to its end."""
        now = self._clock.now()
        own = OwnOrder(
            id=own_id(self._new_id()),
            venue=self._venue.name,
            symbol=symbol,
            side=plan.side,
            size=plan.size,
            limit_price=plan.limit_price,
            sent_at=now,
            deadline_at=now + SEND_TIMEOUT_MS,
            strategy=self._strategy,
            reason=plan.reason,
        )
        self._under_way.add(symbol)
        self._tasks.create_task(self._send(own))
        return own

    async def resume(self) -> int:
        """Take up the orders of the previous run that have no proven end; gives their number."""
        left = await self._ahead.unfinished()
        for own in left:
            _log.info("order of an earlier run is looked up", **_named(own))
            self._proofs.begin(own)
            self._under_way.add(own.symbol)
            self._tasks.create_task(self._follow(own))
        return len(left)

    async def _send(self, own: OwnOrder) -> None:
        async def begin(deadline: int) -> int:
            nonlocal own
            own = own.sent_by(deadline)
            self._proofs.begin(own)
            nonce = await self._ahead.begin(own)
            self._crash_points.hit(CrashPoint.MASTER_AFTER_WRITE_AHEAD)
            return nonce

        try:
            accepted = await self._venue.place(own.request(), begin)
        except Denied as denied:
            _log.warning("order not sent", why=str(denied), **_named(own))
            self._free(own, rest=True)
            return
        except Rejected as refused:
            if refused.refusal is not Refusal.DUPLICATE:
                await self._refused(own, refused)
                return
            await self._ahead.unknown(own, refused.words)
        except Unavailable as failure:
            await self._end(own, OrderState.FAILED, f"not processed: {failure.words}")
            return
        except OutcomeUnknown as failure:
            _log.warning("order has no known outcome; the venue will be asked", words=failure.words, **_named(own))
            await self._ahead.unknown(own, failure.words)
        else:
            self._crash_points.hit(CrashPoint.MASTER_AFTER_REPLY)
            own = own.taken_as(accepted.venue_order_id)
            await self._ahead.accepted(own, self._clock.now())
        await self._follow(own)

    async def _refused(self, own: OwnOrder, refused: Rejected) -> None:
        if refused.refusal is Refusal.FUNDS and own.kind is Kind.EXIT:
            self._short_of.add(own.symbol)
        await self._end(own, OrderState.REJECTED, refused.words)
        if refused.refusal in _KEY_TROUBLE:
            raise refused
        if refused.refusal is Refusal.FUNDS and (left := await self._without_crumb(own)) is not None:
            words = f"{own.reason}; less {own.size - left} that the venue never credited"
            self.start(own.symbol, OrderPlan(own.side, left, own.limit_price, words))

    async def _without_crumb(self, own: OwnOrder) -> Quantity | None:
        """Return what of a refused sale can be sold if all that the account lacks is a crumb of rounding; else None."""
        instrument = self._mirror.instruments.get(own.symbol)
        price = own.limit_price or self._mirror.price(own.symbol)
        if own.kind is Kind.ENTRY or instrument is None or price is None:
            return None
        try:
            balance = (await self._venue.balances()).get(own.symbol.base)
        except (Unavailable, OutcomeUnknown):
            return None  # the next try is sized by what is free at the next refresh
        has = Quantity(balance.total if balance else ZERO, own.symbol.base)
        return credited_short(own.size, has, instrument, price)

    async def _follow(self, own: OwnOrder) -> None:
        """Ask until the order is over, proven absent or settled by an operator, ever more seldom."""
        wait = _FIRST_WAIT if own.venue_order_id else _FIRST_SEARCH
        while True:
            asked, conclusive = self._clock.now(), self._proofs.conclusive(own)
            lost = False
            try:
                found = await self._look(own, conclusive=conclusive)
            except (Unavailable, OutcomeUnknown) as failure:
                _log.warning("order not looked up", words=str(failure), **_named(own))
            else:
                if found is not None and found.status is VenueOrderStatus.DONE:
                    await self._close(own, found)
                    return
                # Asked once more: the answer's own date may speak against it.
                if found is None and conclusive and self._proofs.conclusive(own):
                    if not own.venue_order_id:
                        await self._end(own, OrderState.FAILED, "the venue shows no such order: it was never processed")
                        return
                    lost = True
                    self._tell_lost(own)
                if found is not None and not own.venue_order_id:
                    own = own.taken_as(found.venue_order_id)
                    await self._ahead.accepted(own, asked)
                if found is not None and asked >= own.sent_at + _PATIENCE:
                    await self._watcher.emit_missing(found, own)
            if (verdict := await self._verdict_within(own, _LOST if lost else wait)) is not None:
                await self._settle_by_hand(own, verdict)
                return
            wait = min(wait * 2, _LONGEST_WAIT)

    def _tell_lost(self, own: OwnOrder) -> None:
        why = "the venue shows an order no more that it had named"
        _log.error(why, **_named(own))
        words = f"{why}; `ops resolve {own.id}` ends the asking"
        self._faults.report(FaultKind.ORDER, f"{MASTER} {own.symbol}", words)

    async def _verdict_within(self, own: OwnOrder, seconds: float) -> VerdictRecord | None:
        """Wait so long; an operator's verdict, which counts once the order cannot arrive any more, ends the waiting."""
        end = self._clock.steady() + seconds
        while (left := end - self._clock.steady()) > 0:
            await self._clock.sleep(min(left, _LISTEN))
            if self._clock.earliest() > own.deadline_at and (verdict := await self._ahead.verdict(own)) is not None:
                return verdict
        return None

    async def _settle_by_hand(self, own: OwnOrder, verdict: VerdictRecord) -> None:
        why = f"settled by hand by {verdict.verdict_by}"
        size, price = verdict.verdict_size, verdict.verdict_price
        if verdict.verdict is VerdictKind.NONE or size is None or price is None:
            await self._end(own, OrderState.FAILED, why)
            return
        found = VenueOrder(
            venue_order_id=own.venue_order_id or own.id,
            client_order_id=own.id,
            symbol=own.symbol,
            side=own.side,
            status=VenueOrderStatus.DONE,
            filled=Quantity(size, own.symbol.base),
            cost=Money(size * price, own.symbol.quote),
            fee=verdict.verdict_fee or ZERO,
            fee_asset=own.symbol.quote,
            opened_at=own.sent_at,
            closed_at=own.deadline_at,  # the latest that it can have been: an entry of then is not told as a fresh one
            reason=why,
        )
        await self._close(own, found)

    async def _look(self, own: OwnOrder, *, conclusive: bool) -> VenueOrder | None:
        if own.venue_order_id:
            try:
                return await self._venue.order(own.venue_order_id)
            except Rejected as refused:
                if refused.refusal is not Refusal.GONE:
                    raise
            if not conclusive:
                return None  # too fresh to be listed; the long search is for the end
        # Behind the trades is the dearest place to look.
        return await self._venue.find(own.id, since=own.sent_at - _LOOK_BACK if conclusive else None)

    async def _close(self, own: OwnOrder, found: VenueOrder) -> None:
        await self._watcher.emit_missing(found, own)
        filled = found.filled.amount > 0
        outcome = OrderState.EXPIRED
        if filled:
            outcome = OrderState.PARTIAL if found.filled < own.size else OrderState.FILLED
        await self._end(own, outcome, found.reason, found=found)
        self._short_of.discard(own.symbol)

    async def _end(self, own: OwnOrder, outcome: OrderState, why: str, *, found: VenueOrder | None = None) -> None:
        """Settle the record; what the strategy itself holds changes in the same step."""
        self._crash_points.hit(CrashPoint.MASTER_BEFORE_SETTLE)
        filled = found if found and found.filled.amount > 0 else None
        mine = self._book.own.after(filled, self._clock.now()) if filled else None
        # A flat position stays recorded: without one, nothing was ever recorded.
        change = PositionChange(str(own.symbol), write_position(mine)) if mine else None
        settled = await self._ahead.settle(own, outcome, why, found=found, change=change, at=self._clock.now())
        if settled and mine:
            self._book.own.put(mine)
        log = _log.info if filled else _log.warning
        told_as = signal_id(own.venue, filled.venue_order_id, filled.filled) if filled else ""
        log("order settled", outcome=outcome.value, why=why, signal_id=told_as, **_named(own))
        self._mirror.note_fill()
        self._free(own, rest=filled is None)

    def _free(self, own: OwnOrder, *, rest: bool) -> None:
        self._under_way.discard(own.symbol)
        self._proofs.forget(own)
        self._faults.clear(FaultKind.ORDER, f"{MASTER} {own.symbol}")
        if rest:
            self._rests_until[own.symbol] = self._clock.now() + _REST


def _named(own: OwnOrder) -> dict[str, str]:
    return {
        "order_id": own.id,
        "venue_order_id": own.venue_order_id,
        "symbol": str(own.symbol),
        "side": own.side.value,
        "size": str(own.size),
    }
