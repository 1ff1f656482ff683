"""The end of a mirrored order: the user's filled share is compared with the master's, made up for once, and reported.

Too little bought: one immediate purchase, at most the user's slippage above the master's limit and while the master's end is
fresh; then the outcome says what is missing. Too little sold: the rest is sold as any exit, however long that takes. Too much:
kept and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from services.executor.account.context import AccountContext
from services.executor.mirroring.leg_parts import LegParts
from services.executor.mirroring.leg_sizes import RESTING, SELLING_REST, TERMS, LegSizes, scaled, tracked
from services.executor.mirroring.mirror_guard import MirrorGuard
from services.executor.mirroring.queue_slot import QueueSlot
from services.executor.orders.dispatcher import Dispatcher
from services.executor.orders.exit_plan import NOTHING_HELD
from services.executor.orders.refusal_codes import code_of
from services.executor.orders.settlement import settle
from shared.domain.mirror import Mirror, MirrorEnd, judge_end, rest_of_sale
from shared.domain.order import TERMINAL, Kind, OrderState
from shared.domain.position import MAIN
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Quantity, plain
from shared.domain.values.numerals import whole
from shared.execution.conditions import Conditions
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, describe
from shared.execution.record import OrderRecord
from shared.execution.resolution import resolve_leg
from shared.execution.send import send_once
from shared.execution.totals import LegTotals
from shared.venues.errors import VenueError
from shared.venues.port import VenueOrder

_ROUNDING: Final = Decimal("0.001")
"""The largest share of an amount that rounding to lots explains."""


class LastStep:
    """Ends the mirrored orders of one account."""

    def __init__(self, context: AccountContext, sizes: LegSizes, dispatcher: Dispatcher) -> None:
        self._context = context
        self._sizes = sizes
        self._dispatcher = dispatcher

    async def take(self, mirror: Mirror, guard: MirrorGuard, slot: Callable[[], QueueSlot]) -> Mirror | None:
        """End an order none of whose legs rests; None when it has its outcome, else what is wanted of it, to be tried again.

        Raises LeaseLost, BusUnavailable, MalformedMessageError.
        """
        try:
            instrument = (await self._context.venue.instruments()).get(mirror.decision.symbol)
        except VenueError:
            return mirror
        if mirror.decision.kind is Kind.EXIT:
            return await self._end_sale(mirror, slot, instrument)
        return await self._end_purchase(mirror, guard, slot, instrument)

    async def _end_sale(
        self, mirror: Mirror, slot: Callable[[], QueueSlot], instrument: Instrument | None
    ) -> Mirror | None:
        context, decision = self._context, mirror.decision
        held = await context.positions.book(decision.symbol, MAIN)
        mirror = scaled(mirror, held.size.amount if held else ZERO)
        fields = await context.store.load(decision.id)
        record = OrderRecord.read(fields)
        missing = Quantity(max(mirror.due - record.filled, ZERO), decision.symbol.base)
        if instrument is not None:
            missing = missing.floored(instrument.lot_step)
        follows = context.policy.followed and (missing.amount > 0 or mirror.closes_all)
        size = held.size.amount if held is not None else ZERO
        begun = fields.get(SELLING_REST) == "yes"
        if not begun and not (follows and size > 0):
            nothing = mirror.master_filled > 0 and mirror.scale is None
            late = MirrorEnd(OrderState.SKIPPED, NOTHING_HELD, ReasonCode.NOTHING_HELD) if nothing else None
            await self._settle(mirror, fields, record, instrument, late=late)
            return None
        if not begun:
            target = "" if mirror.closes_all else plain(record.filled + missing.amount)
            await context.store.move(
                decision.id,
                OrderState.PLANNED,
                {
                    **tracked(mirror, rests=False, terms=mirror.terms_version).fields(),
                    **LegParts().fields(),
                    SELLING_REST: "yes",
                    "leg": str(record.leg),
                    "target": target,
                    "client_order_id": "",
                },
            )
        share = min(missing.amount / size, ONE) if size > 0 and missing.amount > 0 else ONE
        rest = rest_of_sale(mirror, ONE if mirror.closes_all else share)
        async with slot():
            ended = await self._dispatcher.run(rest, "", redelivered=True)
        return None if ended else mirror

    async def _end_purchase(
        self, mirror: Mirror, guard: MirrorGuard, slot: Callable[[], QueueSlot], instrument: Instrument | None
    ) -> Mirror | None:
        context, decision = self._context, mirror.decision
        async with slot():
            fields = await context.store.load(decision.id)
            record = OrderRecord.read(fields)
            if record.state in TERMINAL:
                return None
            if record.state not in {None, OrderState.PLANNED}:  # the late purchase, begun before
                order = replace(tracked(mirror, rests=False, terms=0), more={})
                outcome = await resolve_leg(context.sender, order, record.leg, self._fresh(mirror, guard))
                return await self._after_purchase(mirror, outcome, instrument)
            bought = fields.get(RESTING) == "no" and not record.client_order_id
            why = None if bought else self._why_not_late(mirror, record, instrument)
            if bought or why is not None or instrument is None:
                await self._settle(mirror, fields, record, instrument, late=why)
                return None
            terms = int(fields.get(TERMS) or 0)
            leg = await self._sizes.late_entry(mirror, record.leg, record.filled, terms, instrument)
            if isinstance(leg, Skip):
                late = MirrorEnd(OrderState.EXPIRED, leg.reason, leg.code)
                await self._settle(mirror, fields, record, instrument, late=late)
                return None
            outcome = await send_once(context.sender, leg, self._fresh(mirror, guard))
            return await self._after_purchase(mirror, outcome, instrument)

    async def _after_purchase(
        self, mirror: Mirror, outcome: LegOutcome, instrument: Instrument | None
    ) -> Mirror | None:
        context, decision = self._context, mirror.decision
        fields = await context.store.load(decision.id)
        record = OrderRecord.read(fields)
        if isinstance(outcome, Executed):
            await self._settle(mirror, fields, record, instrument, traded=outcome.order)
            return None
        if isinstance(outcome, LegRejected):
            late = MirrorEnd(OrderState.REJECTED, outcome.words, code_of(outcome.refusal))
            await self._settle(mirror, fields, record, instrument, late=late)
            return None
        if isinstance(outcome, Denied):
            late = MirrorEnd(OrderState.EXPIRED, outcome.reason, outcome.code)
            await self._settle(mirror, fields, record, instrument, late=late)
            return None
        return mirror  # not sent, or it never came: again, while it is fresh

    def _why_not_late(self, mirror: Mirror, record: OrderRecord, instrument: Instrument | None) -> MirrorEnd | None:
        """Return why nothing is bought to catch up; None if something is missing and may be bought."""
        context = self._context
        missing = mirror.due - record.filled
        if missing <= 0 or (instrument is not None and missing < _smallest(mirror, instrument)):
            return MirrorEnd(OrderState.FILLED, "")
        if mirror.abandoned:
            return MirrorEnd(OrderState.EXPIRED, "", ReasonCode.MASTER_SILENT)
        if mirror.blocked and not mirror.blocked_code.startswith("venue_"):
            return MirrorEnd(OrderState.EXPIRED, "", mirror.blocked_code)
        if not context.account.ready:
            return MirrorEnd(OrderState.EXPIRED, f"account is parked: {context.account.reason}", ReasonCode.PARKED)
        age = context.clock() - mirror.at
        if age > context.policy.guards.max_signal_age_ms:
            words = f"the master's order ended {age / 1000:.1f} s ago: too long to catch up"
            return MirrorEnd(OrderState.EXPIRED, words, ReasonCode.STALE)
        return None

    def _fresh(self, mirror: Mirror, guard: MirrorGuard) -> Conditions:
        """Return the conditions of a late purchase: the venue must not take it when the master's end is too old."""
        return guard.conditions(mirror.at + self._context.policy.guards.max_signal_age_ms)

    async def _settle(
        self,
        mirror: Mirror,
        fields: Mapping[str, str],
        record: OrderRecord,
        instrument: Instrument | None,
        *,
        late: MirrorEnd | None = None,
        traded: VenueOrder | None = None,
    ) -> None:
        """End the order by what its legs filled. `traded` is a last leg that is not booked yet."""
        decision = mirror.decision
        totals = record.totals(decision.symbol)
        if traded is not None:
            totals = totals.plus(traded)
        filled = totals.filled.amount
        end = judge_end(mirror, filled, _smallest(mirror, instrument))
        if late is not None and late.reason:
            end = replace(end, reason=f"{end.reason}; {late.reason}")
        if late is not None and end.outcome is not OrderState.FILLED and not mirror.blocked and late.code:
            outcome = late.outcome if filled == 0 else end.outcome
            end = replace(end, outcome=outcome, code=late.code)
        await settle(
            self._context,
            decision,
            "",
            end.outcome,
            end.reason if traded is None else f"{end.reason}; caught up: {describe(traded)}",
            code=end.code,
            totals=totals if filled else LegTotals.nothing(decision.symbol),
            traded=traded,
            venue_order_id=traded.venue_order_id if traded else fields.get("last_venue_order_id", ""),
            sent_at=whole(fields.get("sent_at")),
            accepted_at=whole(fields.get("accepted_at")),
        )


def _smallest(mirror: Mirror, instrument: Instrument | None) -> Decimal:
    """Return the smallest difference of two amounts that means something: more than rounding, and more than the venue takes."""
    lots = ZERO if instrument is None else max(2 * instrument.lot_step, instrument.min_size)
    return max(lots, mirror.due * _ROUNDING)
