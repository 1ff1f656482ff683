"""The legs of one mirrored order, one after the other: sends one, follows it to its proven end, and books what it filled.

A leg rests at the master's limit, or sells late at once. It must never be sent while another one of the order has no proven end,
nor hold its symbol's queue while it rests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.mirroring.leg_parts import LegParts
from services.executor.mirroring.leg_sizes import RESTING, TERMS, LegSizes, NotYet, scaled, tracked
from services.executor.mirroring.leg_watch import LegWatch
from services.executor.mirroring.mirror_guard import MirrorGuard
from services.executor.mirroring.mirror_state import MirrorState
from services.executor.mirroring.open_orders import OpenOrders
from services.executor.mirroring.queue_slot import QueueSlot
from services.executor.orders.admission import Admission
from services.executor.orders.refusal_codes import code_of
from services.executor.orders.settlement import book_part
from shared.domain.mirror import Mirror, block
from shared.domain.order import Kind, OrderState, leg_id
from shared.domain.position import MAIN
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
"""Seconds until a late sale is tried again that cannot be sized yet."""
_NO_PRICE: Final = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LegTools:
    """What the legs of all mirrored orders of one account share."""

    context: AccountContext
    open_orders: OpenOrders
    admission: Admission
    on_sale: Callable[[Mirror], Decimal]
    """Returns what the other mirrored legs of the symbol have on sale."""
    may_cancel: Callable[[], Awaitable[bool]]
    """Returns whether the account's key may cancel orders. Raises a VenueError."""


class MirroredLegs:
    """The legs of one order. `unwanted` returns whether the leg that rests must be cancelled."""

    def __init__(
        self,
        tools: LegTools,
        state: MirrorState,
        guard: MirrorGuard,
        slot: Callable[[], QueueSlot],
        unwanted: Callable[[], Awaitable[bool]],
        *,
        suspect: bool,
    ) -> None:
        """`slot` makes a place in the queue of its symbol. `suspect`: a leg may have been sent that Redis has lost."""
        self._context = tools.context
        self._open_orders = tools.open_orders
        self._admission = tools.admission
        self._on_sale = tools.on_sale
        self._may_cancel = tools.may_cancel
        self._state = state
        self._guard = guard
        self._slot = slot
        self._unwanted = unwanted
        self._suspect = suspect
        self._sizes = LegSizes(tools.context, tools.admission)
        self._over = asyncio.Event()
        self._over.set()
        self._watch: LegWatch | None = None
        self._parts = LegParts()
        self._size = ZERO
        self.before = ZERO
        """What the legs before the present one have filled."""
        self.too_small_for = 0
        """The version of the terms for which nothing can be placed; 0 if something can."""

    @property
    def rests(self) -> bool:
        """Whether a leg was sent that has no proven end."""
        return not self._over.is_set()

    @property
    def offered(self) -> Decimal:
        """How much of the resting leg is not filled, as far as was seen (base)."""
        return max(self._size - self._parts.filled, ZERO) if self.rests else ZERO

    async def over(self) -> None:
        """Wait until no leg rests."""
        await self._over.wait()

    def nudge(self) -> None:
        """Have a leg that rests looked at now."""
        if self._watch is not None:
            self._watch.nudge()

    async def send_resting(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Place a leg for what is missing of the target, and follow it to its end."""
        context, state = self._context, self._state
        await context.account.until_ready()
        wanted = state.mirror
        async with self._slot() as slot:
            instrument = await self._instrument()
            if instrument is None:
                state.try_later()
                return
            if state.mirror is not wanted:  # while it waited for its symbol
                return
            if not await self._cancellable():
                return
            if self._suspect and await self._recovered(record.leg):
                return
            await self._scale()
            leg = await self._sizes.resting(
                state.mirror, record.leg, record.filled, self._on_sale(state.mirror), instrument
            )
            if isinstance(leg, Skip):
                await state.put(block(state.mirror, leg))
                return
            if isinstance(leg, NotYet):
                self._hold_off(leg, exit_waits=state.mirror.decision.kind is Kind.EXIT)
                return
            self.begin({**fields, "base_size": "", TERMS: str(state.mirror.terms_version)}, record)
            self._size = leg.size.amount
            watch = self._watch_leg(record, slot)
            outcome = await send_once(context.sender, leg, self._guard.conditions(), watch)
            await self._conclude(outcome)

    async def follow(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Follow a leg that was begun before to its end. The symbol does not wait for it: exits reckon with what it may sell."""
        self.begin(fields, record)
        await self._conclude(await self._resolve(record, self._watch_leg(record, None)))

    async def resolve_immediate(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Find out what became of a late sale that was begun before."""
        self.begin(fields, record)
        await self._conclude(await self._resolve(record, None))

    async def sell_late(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Sell at once what the master has sold and the user has not: no leg of theirs rests for it."""
        context, state = self._context, self._state
        await context.account.until_ready()
        async with self._slot():
            instrument, price = await self._instrument(), await self._price()
            if instrument is None or price is None:
                state.pause(_NO_PRICE)
                return
            leg = await self._sizes.late_sale(
                state.mirror,
                record,
                placed_terms(fields, record),
                self._on_sale(state.mirror),
                instrument,
                price,
                state.tries,
            )
            if isinstance(leg, NotYet):
                state.pause(_LOOK)
                return
            self.begin({**fields, "base_size": ""}, record)
            await self._conclude(await send_once(context.sender, leg, self._guard.conditions()))

    def begin(self, fields: Mapping[str, str], record: OrderRecord) -> None:
        """Count a leg as one that rests, from its record."""
        self._over.clear()
        self.before = record.filled
        self._parts = LegParts.read(fields)
        self._size = Decimal(fields.get("base_size") or 0)
        mirror = self._state.mirror
        if mirror.decision.kind is Kind.ENTRY and self._size:
            size = Quantity(self._size, mirror.decision.symbol.base)
            self._admission.reserve(mirror.decision, size, mirror.limit_price)

    def end(self) -> None:
        """Count no leg as one that rests."""
        self._watch = None
        self._parts, self._size = LegParts(), ZERO
        self._over.set()

    async def _resolve(self, record: OrderRecord, watch: LegWatch | None) -> LegOutcome:
        mirror = self._state.mirror
        order = tracked(mirror, rests=watch is not None, terms=mirror.terms_version)
        order = replace(order, more={})  # what its record says of the leg stands
        return await resolve_leg(self._context.sender, order, record.leg, self._guard.conditions(), watch)

    async def _conclude(self, outcome: LegOutcome) -> None:
        """Book how a leg ended, and remember what follows for the next one."""
        state = self._state
        entry = state.mirror.decision.kind is Kind.ENTRY
        if isinstance(outcome, Executed):
            await self._book_end(outcome)
        elif isinstance(outcome, Denied):
            if entry and outcome.code and outcome.code != ReasonCode.CLOCK:
                await state.put(block(state.mirror, Skip(outcome.reason, ReasonCode(outcome.code))))
            state.try_later()
        elif isinstance(outcome, LegRejected):
            if entry and outcome.refusal not in KEY_REFUSALS:
                await state.put(block(state.mirror, Skip(outcome.words, code_of(outcome.refusal))))
            if outcome.sent_at is not None:
                await self._context.store.move(state.mirror.decision.id, OrderState.PLANNED, {"reason": outcome.words})
            log.warning("a mirrored order was refused", **state.named(), reason=outcome.words)
            state.try_later()
        else:
            state.try_later(outcome.retry_after if isinstance(outcome, NotSent) else 0.0)
        self.end()

    async def _book_end(self, outcome: Executed) -> None:
        """Book what a leg filled beyond the parts that were seen, and make ready for the next one, in one step."""
        context, state, order = self._context, self._state, outcome.order
        mirror, record = state.mirror, outcome.record
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
        log.info("a leg of a mirrored order ended", **state.named(), leg=record.leg, words=describe(order))
        if immediate:
            state.tries = 0 if order.filled.amount else state.tries + 1  # the bound was missed: then at market
            return
        whole = self._size > 0 and order.filled.amount >= self._size
        if whole or state.mirror.ended or placed < state.mirror.terms_version:
            return
        why = f"its order ended at the venue before the master's did ({describe(order)})"
        await state.put(block(state.mirror, Skip(why, ReasonCode.ENDED_AT_VENUE)))

    def _watch_leg(self, record: OrderRecord, slot: QueueSlot | None) -> LegWatch:
        context = self._context
        watch = LegWatch(
            context.venue,
            context.faults,
            self._open_orders,
            context.sender.clock.steady,
            order_id=self._state.mirror.decision.id,
            book=self._book_part,
            unwanted=self._unwanted,
        )
        if slot is not None:
            watch.opened = slot.leave
        if self._state.changed.is_set():
            watch.nudge()
        self.before = record.filled
        self._watch = watch
        return watch

    async def _book_part(self, order: VenueOrder) -> None:
        """Book what has filled of the leg since it was last looked at."""
        decision = self._state.mirror.decision
        if decision.kind is Kind.ENTRY:
            self._admission.held_at_venue(decision, order.opened_at)
        part = self._parts.rest_of(order)
        if part.filled.amount == 0:
            return
        parts = LegParts.of(order)
        first = not (self.before or self._parts.filled)
        await book_part(self._context, decision, part, OrderState.ACCEPTED, parts.fields(), first=first)
        self._parts = parts

    async def _recovered(self, number: int) -> bool:
        """Return whether the venue knows a leg that Redis lost; its record is then written again."""
        context, mirror = self._context, self._state.mirror
        decision = mirror.decision
        client_id = leg_id(decision.id, number)
        attempt = context.sender.attempts.get(client_id)
        left = attempt if attempt is not None and attempt.may_have_left else None
        known = await context.history.find(client_id, decided_at=decision.signal_at, attempt=left)
        if known is None:
            return False
        log.warning("the venue knows a leg that Redis forgot", **self._state.named(), leg=number)
        as_wanted = known.limit_price == mirror.limit_price
        order = tracked(mirror, rests=True, terms=mirror.terms_version if as_wanted else 0)
        found = {**OrderRecord.found(order, number, known), **LegParts().fields()}
        if known.size is not None:
            found["base_size"] = plain(known.size.amount)
        await context.store.move(decision.id, OrderState.ACCEPTED, found)
        return True

    async def _cancellable(self) -> bool:
        """Return whether an order could be cancelled again; without that right it must not rest."""
        state = self._state
        try:
            if await self._may_cancel():
                return True
        except VenueError as error:
            log.warning("it cannot be said yet whether the key may cancel", **state.named(), reason=str(error))
            state.try_later()
            return False
        why = "the API key may not cancel orders, so none is left to rest"
        await state.put(block(state.mirror, Skip(why, ReasonCode.VENUE_KEY)))
        return False

    async def _scale(self) -> None:
        held = await self._context.positions.book(self._state.mirror.decision.symbol, MAIN)
        await self._state.put(scaled(self._state.mirror, held.size.amount if held else ZERO))

    def _hold_off(self, why: NotYet, *, exit_waits: bool) -> None:
        """Wait for something to sell; what is too small stays so until the master's order has other terms."""
        state = self._state
        log.info("a mirrored order cannot be placed yet", **state.named(), reason=why.reason)
        if exit_waits and state.mirror.scale is None:
            state.try_later()
        else:
            self.too_small_for = state.mirror.terms_version

    async def _instrument(self) -> Instrument | None:
        try:
            return (await self._context.venue.instruments()).get(self._state.mirror.decision.symbol)
        except VenueError:
            return None

    async def _price(self) -> Price | None:
        symbol = self._state.mirror.decision.symbol
        try:
            return (await self._context.venue.prices([symbol])).get(symbol)
        except VenueError:
            return None


def placed_terms(fields: Mapping[str, str], record: OrderRecord) -> int:
    """Return the version of the terms of the last leg that rested; 0 if it was refused, or never came: it may be placed again."""
    if record.state is None or (record.client_order_id and fields.get(RESTING) == "yes"):
        return 0
    return int(fields.get(TERMS) or 0)
