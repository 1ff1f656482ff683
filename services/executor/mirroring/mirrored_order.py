"""One mirrored order, from its decision to its outcome: places it, follows it, amends it by its end, and ends it with the
master's.

Every round begins with what Redis holds and does the one step that follows from it (`shared/domain/mirror.py`), so that a
process may die anywhere. A leg is amended by cancelling it; the rest goes out once the venue has proved what it filled.

It must never send a leg while another one of the order has no proven end, nor hold its symbol's queue while a leg rests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.mirroring.last_step import LastStep
from services.executor.mirroring.leg_parts import LegParts
from services.executor.mirroring.leg_sizes import RESTING, SELLING_REST, TERMS, LegSizes, NotYet, scaled, tracked
from services.executor.mirroring.leg_watch import LegWatch
from services.executor.mirroring.mirror_guard import MirrorGuard
from services.executor.mirroring.open_orders import OpenOrders
from services.executor.mirroring.queue_slot import QueueSlot
from services.executor.orders.admission import Admission
from services.executor.orders.refusal_codes import code_of
from services.executor.orders.settlement import book_part
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN
from shared.bus.mirrors import MirrorStore
from shared.domain.fault import FaultKind
from shared.domain.mirror import Mirror, Step, block, next_step
from shared.domain.order import TERMINAL, Kind, OrderState, leg_id
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Price, Quantity, plain
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NotSent, describe
from shared.execution.record import OrderRecord
from shared.execution.resolution import resolve_leg
from shared.execution.send import send_once
from shared.venues.errors import KEY_REFUSALS, VenueError
from shared.venues.port import VenueOrder

_LOOK: Final = 10.0
"""Seconds between rounds while nothing changes: switches and the master's silence are looked at."""
_SOON: Final = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MirrorTools:
    """What the mirrored orders of one account share."""

    bus: Bus
    context: AccountContext
    store: MirrorStore
    open_orders: OpenOrders
    admission: Admission
    last_step: LastStep
    on_sale: Callable[[Mirror], Decimal]
    """Returns what the other mirrored legs of the symbol have on sale."""
    may_cancel: Callable[[], Awaitable[bool]]
    """Returns whether the account's key may cancel orders. Raises a VenueError."""


class MirroredOrder:
    """One mirrored order of one account, under one lease."""

    def __init__(self, tools: MirrorTools, mirror: Mirror, slot: Callable[[], QueueSlot], *, suspect: bool) -> None:
        """`slot` makes a place in the queue of its symbol. `suspect`: it may have been begun before."""
        self.mirror = mirror
        self._context = tools.context
        self._store = tools.store
        self._open_orders = tools.open_orders
        self._admission = tools.admission
        self._last_step = tools.last_step
        self._slot = slot
        self._on_sale = tools.on_sale
        self._may_cancel = tools.may_cancel
        self._suspect = suspect
        self._guard = MirrorGuard(tools.bus, tools.context, mirror)
        self._sizes = LegSizes(tools.context, tools.admission)
        self._changed = asyncio.Event()
        self._leg_over = asyncio.Event()
        self._leg_over.set()
        self._first: QueueSlot | None = None
        self._watch: LegWatch | None = None
        self._parts = LegParts()
        self._before = ZERO
        """What the legs before the present one have filled."""
        self._leg_size = ZERO
        self._too_small_for = 0
        self._pause_until = 0.0
        self._tries = 0

    @property
    def rests(self) -> bool:
        """Whether a leg was sent that has no proven end."""
        return not self._leg_over.is_set()

    @property
    def offered(self) -> Decimal:
        """How much of its resting leg is not filled, as far as was seen (base)."""
        return max(self._leg_size - self._parts.filled, ZERO) if self.rests else ZERO

    async def wish(self, mirror: Mirror) -> None:
        """Record what is wanted of it now, and act by it. Raises LeaseLost, BusUnavailable."""
        await self._put(mirror)
        self._tries = 0
        self._pause_until = 0.0
        self._nudge()

    async def give_way(self, why: Skip) -> None:
        """Cancel a resting leg and return when it has ended; nothing of it rests any more. Raises LeaseLost, BusUnavailable."""
        await self._put(block(self.mirror, why))
        self._nudge()
        await self._leg_over.wait()

    async def recall(self) -> None:
        """Learn from its record whether a leg rests, before anything else happens to the symbol. Raises BusUnavailable."""
        fields = await self._context.store.load(self.mirror.decision.id)
        record = OrderRecord.read(fields)
        if record.state in {None, OrderState.PLANNED, *TERMINAL}:
            return
        if fields.get(SELLING_REST) == "yes":  # an exit like any other: it has its place in the queue before any other
            self._first = self._slot()
            self._first.queue()
        else:
            self._begin_leg(fields, record)

    async def run(self) -> None:
        """Do step after step until it has an outcome. Raises LeaseLost, BusUnavailable."""
        subject = f"mirrored order {self.mirror.decision.id}"
        failures = 0
        while True:
            try:
                if await self._round():
                    break
                failures = 0
                self._context.faults.clear(FaultKind.ORDER, subject)
            except ENDS_A_TURN:
                raise
            except Exception as error:  # must not end the turn: exits depend on it
                failures += 1
                words = f"{self.mirror.decision.kind} of {self.mirror.decision.symbol} fails: {type(error).__name__}: {error}"
                if self._context.faults.report(FaultKind.ORDER, words, subject):
                    log.exception("a mirrored order failed", **self._named())
                await asyncio.sleep(min(_FIRST_PAUSE * 2.0 ** min(failures, 6), _LONGEST_PAUSE))
        self._context.faults.clear(FaultKind.ORDER, subject)
        self._context.faults.clear(FaultKind.ORDER, f"order {self.mirror.decision.id}")

    async def _round(self) -> bool:
        """Do one step; return whether that was the end."""
        context, decision = self._context, self.mirror.decision
        self._changed.clear()
        fields = await context.store.load(decision.id)
        record = OrderRecord.read(fields)
        if record.state in {None, OrderState.PLANNED}:
            self._end_leg()  # an exception may have ended the last round
        if record.state in TERMINAL:
            self._end_leg()
            self._admission.release(decision)
            await self._store.end(self.mirror)
            return True
        await self._abandon_if_lost()
        immediate = fields.get(RESTING) == "no"
        if record.state not in {None, OrderState.PLANNED}:
            if immediate and (fields.get(SELLING_REST) == "yes" or decision.kind is Kind.ENTRY):
                return await self._finish()
            await (self._resolve_immediate(fields, record) if immediate else self._follow(fields, record))
            return False
        halted = await self._guard.halted()
        if not halted and (stop := await self._guard.forbids()) is not None and not self.mirror.ended:
            await self._put(block(self.mirror, stop))
        step = next_step(
            self.mirror,
            record.filled,
            placed=max(_placed(fields, record), self._too_small_for),
            live=False,
            forbidden=self._pausing,
            halted=halted,
        )
        if step is Step.FINISH:
            return await self._finish()
        if step is Step.PLACE:
            await self._place(fields, record)
        elif step is Step.CATCH_UP and not self._pausing:
            await self._sell_late(fields, record)
        else:
            await self._wait(_LOOK)
        return False

    async def _finish(self) -> bool:
        """End it with the master's order; False if that has to be tried again."""
        self._end_leg()
        mirror = await self._last_step.take(self.mirror, self._guard, self._next_slot)
        if mirror is not None:
            await self._put(mirror)
            self._try_later()
            await self._wait(_LOOK)
            return False
        self._admission.release(self.mirror.decision)
        await self._store.end(self.mirror)
        return True

    def _next_slot(self) -> QueueSlot:
        """Return the place in the queue that was taken at the start of the turn, once; else a new one."""
        slot, self._first = self._first or self._slot(), None
        return slot

    async def _abandon_if_lost(self) -> None:
        """Give it up if the user follows no more, or the master's order is gone and nobody said so."""
        if self.mirror.ended:
            return
        why = ""
        if not self._context.policy.followed:
            why = "the user follows no more"
        elif await self._guard.gone():
            why = "the master's order is no longer among its open ones"
        if why:
            log.warning("a mirrored order is given up", **self._named(), reason=why)
            await self._put(replace(self.mirror, ended=True, abandoned=why))

    async def _place(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Place a leg for what is missing of the target, and follow it to its end."""
        context = self._context
        await context.account.until_ready()
        wanted = self.mirror
        async with self._slot() as slot:
            instrument = await self._instrument()
            if instrument is None:
                self._try_later()
                return
            if self.mirror is not wanted:  # while it waited for its symbol
                return
            if not await self._cancellable():
                return
            if self._suspect and await self._recovered(record.leg):
                return
            await self._scale()
            leg = await self._sizes.resting(
                self.mirror, record.leg, record.filled, self._on_sale(self.mirror), instrument
            )
            if isinstance(leg, Skip):
                await self._put(block(self.mirror, leg))
                return
            if isinstance(leg, NotYet):
                self._hold_off(leg, exit_waits=self.mirror.decision.kind is Kind.EXIT)
                return
            self._begin_leg({**fields, "base_size": "", TERMS: str(self.mirror.terms_version)}, record)
            self._leg_size = leg.size.amount
            watch = self._watch_leg(record, slot)
            outcome = await send_once(context.sender, leg, self._guard.conditions(), watch)
            await self._conclude(outcome)

    async def _follow(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Follow a leg that was begun before to its end. The symbol does not wait for it: exits reckon with what it may sell."""
        self._begin_leg(fields, record)
        await self._conclude(await self._resolve(record, self._watch_leg(record, None)))

    async def _resolve(self, record: OrderRecord, watch: LegWatch | None) -> LegOutcome:
        order = tracked(self.mirror, rests=watch is not None, terms=self.mirror.terms_version)
        order = replace(order, more={})  # what its record says of the leg stands
        return await resolve_leg(self._context.sender, order, record.leg, self._guard.conditions(), watch)

    async def _resolve_immediate(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Find out what became of a late sale that was begun before."""
        self._begin_leg(fields, record)
        await self._conclude(await self._resolve(record, None))

    async def _sell_late(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Sell at once what the master has sold and the user has not: no leg of theirs rests for it."""
        context = self._context
        await context.account.until_ready()
        async with self._slot():
            instrument, price = await self._instrument(), await self._price()
            if instrument is None or price is None:
                self._pause_until = context.sender.clock.steady() + _FIRST_PAUSE
                return
            terms = _placed(fields, record)
            leg = await self._sizes.late_sale(
                self.mirror, record, terms, self._on_sale(self.mirror), instrument, price, self._tries
            )
            if isinstance(leg, NotYet):
                self._pause_until = context.sender.clock.steady() + _LOOK
                return
            self._begin_leg({**fields, "base_size": ""}, record)
            await self._conclude(await send_once(context.sender, leg, self._guard.conditions()))

    async def _conclude(self, outcome: LegOutcome) -> None:
        """Book how a leg ended, and remember what follows for the next one."""
        entry = self.mirror.decision.kind is Kind.ENTRY
        if isinstance(outcome, Executed):
            await self._book_end(outcome)
        elif isinstance(outcome, Denied):
            if entry and outcome.code and outcome.code != ReasonCode.CLOCK:
                await self._put(block(self.mirror, Skip(outcome.reason, ReasonCode(outcome.code))))
            self._try_later()
        elif isinstance(outcome, LegRejected):
            if entry and outcome.refusal not in KEY_REFUSALS:
                await self._put(block(self.mirror, Skip(outcome.words, code_of(outcome.refusal))))
            if outcome.sent_at is not None:
                await self._context.store.move(self.mirror.decision.id, OrderState.PLANNED, {"reason": outcome.words})
            log.warning("a mirrored order was refused", **self._named(), reason=outcome.words)
            self._try_later()
        else:
            self._try_later(outcome.retry_after if isinstance(outcome, NotSent) else 0.0)
        self._end_leg()

    async def _book_end(self, outcome: Executed) -> None:
        """Book what a leg filled beyond the parts that were seen, and make ready for the next one, in one step."""
        context, mirror, order = self._context, self.mirror, outcome.order
        record = outcome.record
        fields = await context.store.load(mirror.decision.id)
        placed, immediate = int(fields.get(TERMS) or 0), fields.get(RESTING) == "no"
        totals = record.totals(mirror.decision.symbol).plus(order)
        await book_part(
            context,
            mirror.decision,
            self._parts.rest_of(order),
            OrderState.PLANNED,
            {
                **totals.fields(),
                **LegParts().fields(),
                "leg": str(record.leg + 1),
                "client_order_id": "",
                "venue_order_id": "",
                "last_venue_order_id": order.venue_order_id,
            },
            first=not (record.filled or self._parts.filled),
        )
        log.info("a leg of a mirrored order ended", **self._named(), leg=record.leg, words=describe(order))
        if immediate:
            self._tries = 0 if order.filled.amount else self._tries + 1  # the bound was missed: then at market
            return
        whole = self._leg_size > 0 and order.filled.amount >= self._leg_size
        if whole or self.mirror.ended or placed < self.mirror.terms_version:
            return
        why = f"its order ended at the venue before the master's did ({describe(order)})"
        await self._put(block(self.mirror, Skip(why, ReasonCode.ENDED_AT_VENUE)))

    def _watch_leg(self, record: OrderRecord, slot: QueueSlot | None) -> LegWatch:
        context = self._context

        async def book(order: VenueOrder) -> None:
            await self._book_part(order)

        async def unwanted() -> bool:
            return await self._unwanted()

        watch = LegWatch(
            context.venue,
            context.faults,
            self._open_orders,
            context.sender.clock.steady,
            order_id=self.mirror.decision.id,
            book=book,
            unwanted=unwanted,
        )
        if slot is not None:
            watch.opened = slot.leave
        if self._changed.is_set():
            watch.nudge()
        self._before = record.filled
        self._watch = watch
        return watch

    async def _book_part(self, order: VenueOrder) -> None:
        """Book what has filled of the leg since it was last looked at."""
        if self.mirror.decision.kind is Kind.ENTRY:
            self._admission.held_at_venue(self.mirror.decision, order.opened_at)
        part = self._parts.rest_of(order)
        if part.filled.amount == 0:
            return
        parts = LegParts.of(order)
        first = not (self._before or self._parts.filled)
        await book_part(self._context, self.mirror.decision, part, OrderState.ACCEPTED, parts.fields(), first=first)
        self._parts = parts

    async def _unwanted(self) -> bool:
        """Return whether the leg must be cancelled now."""
        self._changed.clear()
        await self._abandon_if_lost()
        halted = await self._guard.halted()
        stop = None if halted else await self._guard.forbids()
        if stop is not None:
            await self._put(block(self.mirror, stop))
        fields = await self._context.store.load(self.mirror.decision.id)
        step = next_step(
            self.mirror, self._before, placed=int(fields.get(TERMS) or 0), live=True, forbidden=False, halted=halted
        )
        return step is Step.CANCEL

    async def _recovered(self, number: int) -> bool:
        """Return whether the venue knows a leg that Redis lost; its record is then written again."""
        context, decision = self._context, self.mirror.decision
        client_id = leg_id(decision.id, number)
        attempt = context.sender.attempts.get(client_id)
        left = attempt if attempt is not None and attempt.may_have_left else None
        known = await context.history.find(client_id, decided_at=decision.signal_at, attempt=left)
        if known is None:
            return False
        log.warning("the venue knows a leg that Redis forgot", **self._named(), leg=number)
        as_wanted = known.limit_price == self.mirror.limit_price
        order = tracked(self.mirror, rests=True, terms=self.mirror.terms_version if as_wanted else 0)
        found = {**OrderRecord.found(order, number, known), **LegParts().fields()}
        if known.size is not None:
            found["base_size"] = plain(known.size.amount)
        await context.store.move(decision.id, OrderState.ACCEPTED, found)
        return True

    async def _cancellable(self) -> bool:
        """Return whether an order could be cancelled again; without that right it must not rest."""
        try:
            if await self._may_cancel():
                return True
        except VenueError as error:
            log.warning("it cannot be said yet whether the key may cancel", **self._named(), reason=str(error))
            self._try_later()
            return False
        why = "the API key may not cancel orders, so none is left to rest"
        await self._put(block(self.mirror, Skip(why, ReasonCode.VENUE_KEY)))
        return False

    async def _scale(self) -> None:
        held = await self._context.positions.of(self.mirror.decision.symbol)
        await self._put(scaled(self.mirror, held.size.amount if held else ZERO))

    async def _put(self, mirror: Mirror) -> None:
        if mirror is not self.mirror:
            self.mirror = mirror
            await self._store.put(mirror)

    async def _instrument(self) -> Instrument | None:
        try:
            return (await self._context.venue.instruments()).get(self.mirror.decision.symbol)
        except VenueError:
            return None

    async def _price(self) -> Price | None:
        symbol = self.mirror.decision.symbol
        try:
            return (await self._context.venue.prices([symbol])).get(symbol)
        except VenueError:
            return None

    @property
    def _pausing(self) -> bool:
        return self._context.sender.clock.steady() < self._pause_until

    def _try_later(self, at_least: float = 0.0) -> None:
        pause = min(_SOON * 2.0 ** min(self._tries, 7), _LONGEST_PAUSE)
        self._tries += 1
        self._pause_until = self._context.sender.clock.steady() + max(pause, at_least)

    def _hold_off(self, why: NotYet, *, exit_waits: bool) -> None:
        """Wait for something to sell; what is too small stays so until the master's order has other terms."""
        log.info("a mirrored order cannot be placed yet", **self._named(), reason=why.reason)
        if exit_waits and self.mirror.scale is None:
            self._try_later()
        else:
            self._too_small_for = self.mirror.terms_version

    def _begin_leg(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        self._leg_over.clear()
        self._before = record.filled
        self._parts = LegParts.read(fields)
        self._leg_size = Decimal(fields.get("base_size") or 0)
        if self.mirror.decision.kind is Kind.ENTRY and self._leg_size:
            size = Quantity(self._leg_size, self.mirror.decision.symbol.base)
            self._admission.reserve(self.mirror.decision, size, self.mirror.limit_price)

    def _end_leg(self) -> None:
        self._watch = None
        self._parts, self._leg_size = LegParts(), ZERO
        self._leg_over.set()

    def _nudge(self) -> None:
        self._changed.set()
        if self._watch is not None:
            self._watch.nudge()

    async def _wait(self, seconds: float) -> None:
        """Wait until something else is wanted of it, at most this long; shorter while it is to be tried again."""
        left = self._pause_until - self._context.sender.clock.steady()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(min(seconds, left) if left > 0 else seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()
        self._changed.clear()

    def _named(self) -> dict[str, object]:
        decision = self.mirror.decision
        return {
            "signal_id": decision.signal_id,
            "order_id": decision.id,
            "user": decision.user,
            "symbol": str(decision.symbol),
            "master_order_id": self.mirror.master_order_id,
        }


def _placed(fields: Mapping[str, str], record: OrderRecord) -> int:
    """Return the version of the terms of the last leg that rested; 0 if it was refused, or never came: it may be placed again."""
    if record.state is None or (record.client_order_id and fields.get(RESTING) == "yes"):
        return 0
    return int(fields.get(TERMS) or 0)
