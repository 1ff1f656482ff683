"""Sends the master's own orders and follows each to its proven end, through the same core as the executors (`shared/execution`).

An order is sent once, under an id that was chosen before. Its end is what the venue's record states. Nothing else may be sent
for a symbol while an order of it is unresolved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.signal_emitter import SignalEmitter
from services.master_strategy.stops.resting_stops import RestingStops, StopWatch
from services.master_strategy.trading.own_order import OwnOrder, own_id
from services.master_strategy.trading.own_order_records import OwnOrderRecords
from services.master_strategy.trading.send_hooks import MasterHooks
from shared.bus.order.book_changes import PositionChange
from shared.bus.state.records import Records
from shared.contracts.own_position_record import own_position_field, write_own_position
from shared.domain.account import MASTER
from shared.domain.control import refusal
from shared.domain.exits import credited_short
from shared.domain.order import Kind, OrderState, Side
from shared.domain.signal import signal_id
from shared.domain.values.money import ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.conditions import Conditions
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NeverReceived, NotSent
from shared.execution.resolution import resolve_leg
from shared.execution.send import send_once
from shared.execution.sender import Sender
from shared.strategies.order_plan import OrderPlan
from shared.strategies.own_position import OwnPosition
from shared.venues.errors import OutcomeUnknown, Refusal, Unavailable
from shared.venues.port import VenueOrder

_REST: Final = 15_000  # ms for which a symbol is left alone after an order that filled nothing
_NOTHING_SENT: Final = "nothing of it was sent"

_log = structlog.get_logger(__name__)


class Trader:
    """Runs orders as tasks of `tasks`, at most one per symbol. A failure of the bus or the key ends the whole group."""

    def __init__(
        self,
        *,
        sender: Sender,
        own_records: OwnOrderRecords,
        records: Records,
        emitter: SignalEmitter,
        book: MasterBook,
        mirror: AccountMirror,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        new_id: Callable[[], str],
        hooks: MasterHooks,
        stops: RestingStops,
    ) -> None:
        self._sender = sender
        self._own_records = own_records
        self._records = records
        self._emitter = emitter
        self._book = book
        self._mirror = mirror
        self._clock = clock
        self._tasks = tasks
        self._new_id = new_id
        self._hooks = hooks
        self._stops = stops
        self._under_way = book.under_way
        self._under_way.clear()
        self._rests_until: dict[Symbol, int] = {}
        self._short_of: set[Symbol] = set()

    def available(self, symbol: Symbol) -> bool:
        """Return whether an order may be started: none is under way, and none has just failed."""
        return symbol not in self._under_way and self._clock.now() >= self._rests_until.get(symbol, 0)

    def refused_for_funds(self, symbol: Symbol) -> bool:
        """Return whether the last sale of a symbol was refused for insufficient funds."""
        return symbol in self._short_of

    def start(self, symbol: Symbol, plan: OrderPlan, strategy: str) -> OwnOrder:
        """Send an order of a strategy in the background and follow it to its end."""
        own = OwnOrder(
            id=own_id(self._new_id(), strategy),
            venue=self._sender.venue.name,
            symbol=symbol,
            side=plan.side,
            size=plan.size,
            limit_price=plan.limit_price,
            begun_at=self._clock.now(),
            strategy=strategy,
            reason=plan.reason,
            entered_at=plan.entered_at,
            exit_plan=plan.exit_plan,
            exit_step=plan.exit_step,
            owner=self._sender.user,
        )
        self._begin(own)
        self._tasks.create_task(self._send(own))
        return own

    def start_stop(self, own: OwnPosition, size: Quantity, stop: Price, limit: Price | None) -> OwnOrder:
        """Have a stop rest at the venue for a position, and follow it in the background to its end.

        It holds up no other order of its symbol: what else would sell the position cancels it first (`RestingStops`).
        """
        order = OwnOrder(
            id=own_id(self._new_id(), own.strategy),
            venue=self._sender.venue.name,
            symbol=own.symbol,
            side=Side.SELL,
            size=size,
            limit_price=limit,
            begun_at=self._clock.now(),
            strategy=own.strategy,
            reason=f"stop {stop} at the venue",
            stop_price=stop,
            owner=self._sender.user,
        )
        watch = self._begin_stop(order)
        self._tasks.create_task(self._send(order, watch))
        return order

    async def follow_unfinished(self) -> int:
        """Follow the orders of the previous run that have no proven end; return their number."""
        left = await self._own_records.unfinished()
        for own, state in left:
            watch = None
            if own.stop_price is not None:
                watch = self._begin_stop(own)
            else:
                self._begin(own)
            if state is OrderState.PLANNED:  # proved unsent right before that run ended
                await self._end(own, OrderState.FAILED, _NOTHING_SENT)
                continue
            _log.info("order of an earlier run is looked up", **_named(own))
            self._tasks.create_task(self._follow(own, watch))
        return len(left)

    def _begin(self, own: OwnOrder) -> None:
        self._under_way.add(own.symbol)
        self._hooks.follow(own)

    def _begin_stop(self, own: OwnOrder) -> StopWatch:
        self._hooks.follow(own)
        return self._stops.begin(own)

    async def _send(self, own: OwnOrder, watch: StopWatch | None = None) -> None:
        await self._conclude(own, await send_once(self._sender, own.leg(), self._conditions(own), watch))

    def _conditions(self, own: OwnOrder) -> Conditions:
        async def guard() -> Denied | None:
            owners = dict.fromkeys((MASTER, own.owner))  # a switch of the master is for all of its accounts
            switches = [switch for owner in owners for switch in await self._records.switches(owner)]
            forbidden = refusal(own.kind, *switches)
            return Denied(OrderState.FAILED, forbidden.reason, forbidden.code) if forbidden else None

        return Conditions(guard)

    async def _follow(self, own: OwnOrder, watch: StopWatch | None) -> None:
        outcome = await resolve_leg(self._sender, own.tracked(), 1, self._conditions(own), watch)
        if isinstance(outcome, Denied):  # it had ended already: nothing is left to settle
            _log.info("order of an earlier run had ended", state=outcome.outcome.value, **_named(own))
            self._free(own, rest=False)
            return
        await self._conclude(own, outcome)

    async def _conclude(self, own: OwnOrder, outcome: LegOutcome) -> None:
        if isinstance(outcome, Denied):
            _log.warning("order not sent", why=outcome.reason, **_named(own))
            self._free(own, rest=True)
        elif isinstance(outcome, NotSent):
            await self._end(own, OrderState.FAILED, f"not processed: {outcome.words}")
        elif isinstance(outcome, LegRejected):
            await self._rejected(own, outcome)
        elif isinstance(outcome, NeverReceived):
            await self._end(own, OrderState.FAILED, outcome.reason)
        else:
            await self._close(own, outcome)

    async def _rejected(self, own: OwnOrder, outcome: LegRejected) -> None:
        if own.stop_price is not None:  # nothing is sold in its place: the plan acts by the price as it does without it
            await self._end(own, OrderState.REJECTED, outcome.words)
            self._hooks.raise_refused_key()
            return
        if outcome.refusal is Refusal.FUNDS and own.kind is Kind.EXIT:
            self._short_of.add(own.symbol)
        await self._end(own, OrderState.REJECTED, outcome.words)
        self._hooks.raise_refused_key()
        if outcome.refusal is Refusal.FUNDS and (left := await self._without_crumb(own)) is not None:
            words = f"{own.reason}; less {own.size - left} that the venue never credited"
            again = OrderPlan(own.side, left, own.limit_price, words, exit_step=own.exit_step)
            self.start(own.symbol, again, own.strategy)

    async def _without_crumb(self, own: OwnOrder) -> Quantity | None:
        """Return what of a refused sale can be sold if the account lacks only a rounding difference; else None."""
        instrument = self._mirror.instruments.get(own.symbol)
        price = own.limit_price or self._mirror.price(own.symbol)
        if own.kind is Kind.ENTRY or instrument is None or price is None:
            return None
        try:
            balance = (await self._sender.venue.balances()).get(own.symbol.base)
        except (Unavailable, OutcomeUnknown):
            return None  # the next try is sized by the free balance of the next refresh
        has = Quantity(balance.total if balance else ZERO, own.symbol.base)
        return credited_short(own.size, has, instrument, price)

    async def _close(self, own: OwnOrder, outcome: Executed) -> None:
        found = outcome.order
        if not found.venue_order_id:  # an operator's verdict on an order that the venue never named
            found = replace(found, venue_order_id=own.id)
        await self._emitter.emit_missing(found, own)
        filled = found.filled.amount > 0
        state = OrderState.FAILED if outcome.settled_by else OrderState.EXPIRED
        if found.refusal is not None and not outcome.settled_by:
            state = OrderState.REJECTED
        if filled:
            state = OrderState.PARTIAL if found.filled < own.size else OrderState.FILLED
        await self._end(own, state, found.reason, found=found)
        if filled or own.stop_price is None:
            self._short_of.discard(own.symbol)

    async def _end(self, own: OwnOrder, outcome: OrderState, why: str, *, found: VenueOrder | None = None) -> None:
        """Settle the record; what the strategy itself holds and how that ends change in the same step."""
        self._hooks.before_settle()
        filled = found if found and found.filled.amount > 0 else None
        async with self._book.own.changing:
            mine = self._book.own.after(filled, own, self._clock.now()) if filled else None
            # A flat position is recorded too: no record means that none was ever written.
            field = own_position_field(own.strategy, own.symbol)
            change = PositionChange(field, write_own_position(mine)) if mine else None
            settled = await self._own_records.settle(
                own, outcome, why, found=found, change=change, at=self._clock.now()
            )
            if settled and mine:
                self._book.own.put(mine)
        log = _log.info if filled or (outcome is OrderState.EXPIRED and own.stop_price) else _log.warning
        emitted_as = signal_id(own.venue, filled.venue_order_id, filled.filled, own.owner) if filled else ""
        log("order settled", outcome=outcome.value, why=why, signal_id=emitted_as, **_named(own, found))
        self._mirror.note_fill()
        self._free(own, rest=filled is None)

    def _free(self, own: OwnOrder, *, rest: bool) -> None:
        self._sender.attempts.pop(own.id, None)
        self._hooks.forget(own)
        if own.stop_price is not None:
            self._stops.end(own)
            return
        self._under_way.discard(own.symbol)
        if rest:
            self._rests_until[own.symbol] = self._clock.now() + _REST


def _named(own: OwnOrder, found: VenueOrder | None = None) -> dict[str, str]:
    return {
        "order_id": own.id,
        "venue_order_id": found.venue_order_id if found else own.venue_order_id,
        "symbol": str(own.symbol),
        "side": own.side.value,
        "size": str(own.size),
        "strategy": own.strategy,
    }
