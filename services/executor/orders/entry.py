"""Entries: sent once, as limit immediate-or-cancel at the engine's price bound, while they are fresh and within the limits.

What cannot be sent in time expires; what the venue refuses is rejected in its own words. An entry never waits for a better price.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.admission import Admission
from services.executor.orders.refusal_codes import code_of
from services.executor.orders.settlement import settle
from shared.domain.control import refusal
from shared.domain.order import CLOCK_TOLERANCE_MS, TERMINAL, Decision, EntryTerms, OrderState
from shared.domain.position import MAIN
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.stages.stage import Stage, rank
from shared.domain.values.money import ONE, ZERO
from shared.execution.conditions import Conditions, Switches
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NeverReceived, NotSent, describe
from shared.execution.record import OrderRecord
from shared.execution.recovery.lost_record import recover_lost_record
from shared.execution.resolution import resolve_leg
from shared.execution.send import send_once
from shared.execution.totals import LegTotals
from shared.venues.errors import Refusal

_RETRY: Final = 0.25
"""Seconds before an entry that the venue did not process is sent again."""

log = structlog.get_logger()


class EntryHandler:
    """Runs the copied entries of one account."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self.admission = Admission(context.account, context.positions, context.records, context.clock, context.doctor)
        self._cuts: dict[str, str] = {}

    async def execute(self, decision: Decision, terms: EntryTerms, entry_id: str, *, suspect: bool) -> None:
        """Run one entry to its end. `suspect`: something may have been sent before, which is resolved first."""
        try:
            await self._send_while_fresh(decision, terms, entry_id, suspect=suspect)
        finally:
            self.release(decision)

    def release(self, decision: Decision) -> None:
        """Forget what was reserved and noted for an entry that has ended."""
        self.admission.release(decision)
        self._cuts.pop(decision.id, None)

    def cut_of(self, decision: Decision) -> str:
        """Return what the limits have cut off an entry, in words; an empty text if nothing."""
        return self._cuts.get(decision.id, "")

    async def recover_skipped(self, decision: Decision, entry_id: str) -> bool:
        """End a skipped entry that the venue has all the same: Redis lost the decision to copy it.

        False if the venue never had it. Without this, what was bought would belong to no position and would never be sold.
        """
        context = self._context
        record = OrderRecord.read(await context.store.load(decision.id))
        order = TrackedOrder.of(decision, entry_id)
        if record.state is not None or not await self._recovered(order):
            return False
        outcome = await resolve_leg(context.sender, order, 1)
        if not isinstance(outcome, Executed):
            return False
        log.warning(
            "an entry was copied before it was decided to be skipped", signal_id=decision.signal_id, user=context.user
        )
        await self._end(
            decision, entry_id, outcome, note=f"; decided again as a skip: {decision.reason}", code=ReasonCode.RECALLED
        )
        return True

    async def _send_while_fresh(self, decision: Decision, terms: EntryTerms, entry_id: str, *, suspect: bool) -> None:
        context = self._context
        order = TrackedOrder.of(decision, entry_id)
        outcome: LegOutcome | None = None
        before = ""
        if suspect:
            record = OrderRecord.read(await context.store.load(decision.id))
            if record.state in TERMINAL:
                await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # only acknowledges
                return
            begun = record.state not in {None, OrderState.PLANNED}
            if begun or await self._recovered(order):
                self.admission.reserve(decision, terms.size, terms.limit_price)
                outcome = await resolve_leg(context.sender, order, 1, self.conditions(decision, terms))
        while outcome is None or isinstance(outcome, (NeverReceived, NotSent)):
            if outcome is not None:
                context.priority.release(decision.id)  # other orders must not wait for one that waits itself
                before = f" (not sent before: {outcome.words})" if isinstance(outcome, NotSent) else before
                await asyncio.sleep(max(_RETRY, outcome.retry_after if isinstance(outcome, NotSent) else 0.0))
            outcome = await self._send(decision, terms, order)
        if isinstance(outcome, Denied):
            outcome = replace(outcome, reason=outcome.reason + before)
        await self._end(decision, entry_id, outcome)

    async def _recovered(self, order: TrackedOrder) -> bool:
        """Return whether the venue knows an entry that Redis lost; its record is then written again."""
        context = self._context
        return await recover_lost_record(context.sender, context.history, order, 1, closes_all=False)

    async def _send(self, decision: Decision, terms: EntryTerms, order: TrackedOrder) -> LegOutcome:
        leg = await self.prepare(decision, terms, order)
        if isinstance(leg, Denied):
            return leg
        return await send_once(self._context.sender, leg, self.conditions(decision, terms), records_end=True)

    async def prepare(self, decision: Decision, terms: EntryTerms, order: TrackedOrder) -> Leg | Denied:
        """Return the leg that an entry may send now, with its room reserved, or why it may not."""
        context = self._context
        if (stop := self._barred(decision, terms) or self._stage_refusal(decision)) is not None:
            return stop
        if other := context.aside.in_the_way(decision):
            return Denied(
                OrderState.SKIPPED,
                f"order {other} of {decision.symbol} has not come to its end",
                ReasonCode.ORDER_UNRESOLVED,
            )
        instrument = (await context.venue.instruments()).get(decision.symbol)
        if instrument is None:
            return Denied(
                OrderState.SKIPPED, f"{decision.symbol} is not traded on {decision.venue}", ReasonCode.NOT_TRADED
            )
        size, limit = terms.size.floored(instrument.lot_step), terms.limit_price.floored(instrument.tick)
        if limit.amount <= 0:
            return Denied(
                OrderState.SKIPPED,
                f"its limit of {terms.limit_price} is below one tick of {instrument.tick}",
                ReasonCode.BELOW_MINIMUM,
            )
        if missed := instrument.below_minimum(size, limit):
            return Denied(OrderState.SKIPPED, f"below venue minimum: {missed}", ReasonCode.BELOW_MINIMUM)
        # The engine has scaled the size: here only the limits are scaled, so that the small order fits the small limits.
        scale = Stage(decision.stage).share if decision.stage else ONE
        admitted = await self.admission.admit(context.policy, decision, size, limit, instrument, scale)
        if isinstance(admitted, Skip):
            return Denied(OrderState.SKIPPED, admitted.reason, admitted.code)
        if admitted.note:
            self._cuts[decision.id] = f" ({admitted.note})"
        size = admitted.size
        return Leg(order, 1, size, limit, size)

    def conditions(self, decision: Decision, terms: EntryTerms) -> Conditions:
        switches = Switches(self._context.switch_keys(decision.symbol), lambda: self._switched_off(decision))
        return Conditions(lambda: self._guard(decision, terms), switches, self._last_moment(decision, terms))

    def _barred(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        context = self._context
        if not context.account.ready:
            return Denied(OrderState.FAILED, f"account is parked: {context.account.reason}", ReasonCode.PARKED)
        if context.policy.fault:
            return Denied(OrderState.SKIPPED, context.policy.fault, ReasonCode.SETTINGS_UNUSABLE)
        if not context.policy.enabled:
            return Denied(OrderState.SKIPPED, "the user is disabled", ReasonCode.DISABLED)
        followed = context.policy.followed_master(decision.master)
        if decision.master != MAIN and (followed is None or followed.venue != decision.venue):
            why = f"the master {decision.master} is not followed on {decision.venue} (any more)"
            return Denied(OrderState.SKIPPED, why, ReasonCode.VENUE_NOT_FOLLOWED)
        return self._too_late(decision, terms)

    def _stage_refusal(self, decision: Decision) -> Denied | None:
        """Stop an entry that was decided for a higher stage than the user's file allows now, or for one of another version."""
        allowed = self._context.policy.stage.ceiling
        if decision.stage and decision.stage not in set(Stage):
            why = f"decided for the stage {decision.stage}, which this version does not know"
        elif rank(Stage(decision.stage or Stage.FULL)) > rank(allowed):
            why = f"decided for the stage {decision.stage or Stage.FULL}; the user's file allows {allowed} at most"
        else:
            return None
        return Denied(OrderState.SKIPPED, why, ReasonCode.STAGE_CHANGED)

    async def _guard(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        if (late := self._too_late(decision, terms)) is not None:
            return late
        stop = None
        if stopped := self._context.risk.stopped(self._context.clock()):
            stop = Denied(OrderState.SKIPPED, stopped, ReasonCode.STOPPED_OUT)
        elif off := self._context.alarm.refusal():
            stop = Denied(OrderState.SKIPPED, off, ReasonCode.CLOCK)
        if stop is None:
            return None
        return await self._switched_off(decision) or stop  # an operator's reason comes first

    async def _switched_off(self, decision: Decision) -> Denied | None:
        forbidden = refusal(decision.kind, *await self._context.switches(decision.symbol))
        return Denied(OrderState.SKIPPED, forbidden.reason, forbidden.code) if forbidden else None

    def _too_late(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        """Judge the age by this process's clock as well: the instants in a message may be wrong."""
        now = self._context.clock()
        ahead = decision.signal_at - now
        if ahead > CLOCK_TOLERANCE_MS:
            return Denied(
                OrderState.EXPIRED,
                f"its signal is dated {ahead / 1000:.1f} s in the future; a clock is wrong",
                ReasonCode.FUTURE_FILL,
            )
        last_moment = self._last_moment(decision, terms)
        if now > last_moment:
            return Denied(
                OrderState.EXPIRED,
                f"{(now - last_moment) / 1000:.1f} s past the age this user accepts",
                ReasonCode.STALE,
            )
        if last_moment - now < self._time_to_arrive(decision, last_moment):
            return Denied(
                OrderState.EXPIRED,
                f"{(last_moment - now) / 1000:.1f} s before the age this user accepts ends: it might arrive too late",
                ReasonCode.STALE,
            )
        return None

    def _last_moment(self, decision: Decision, terms: EntryTerms) -> int:
        """Return the instant after which the venue must not take the entry, by the engine's word and by the settings of now."""
        return min(terms.not_after, decision.signal_at + self._context.policy.guards.max_signal_age_ms)

    def _time_to_arrive(self, decision: Decision, last_moment: int) -> int:
        """Return how many ms before its last moment an entry is still begun: the venue cannot be given a nearer deadline.

        An age of a few seconds leaves half of itself for the way to the executor; such an entry may arrive a little later.
        """
        return min(self._context.sender.timing.shortest_life_ms, (last_moment - decision.signal_at) // 2)

    async def _end(
        self,
        decision: Decision,
        entry_id: str,
        outcome: Executed | LegRejected | Denied,
        *,
        note: str = "",
        code: str = "",
    ) -> None:
        context = self._context
        if isinstance(outcome, Denied):
            await settle(context, decision, entry_id, outcome.outcome, outcome.reason, code=outcome.code)
            return
        refused = outcome.refusal if isinstance(outcome, LegRejected) else outcome.order.refusal
        if refused is Refusal.FUNDS:
            context.account.refresh_soon()  # the balances by which it was sized are outdated
        if isinstance(outcome, LegRejected):
            await settle(
                context,
                decision,
                entry_id,
                OrderState.REJECTED,
                outcome.words,
                code=code_of(outcome.refusal),
                sent_at=outcome.sent_at,
            )
            return
        order = outcome.order
        if order.filled.amount == 0 and order.refusal is not None:
            state, code = OrderState.REJECTED, code or code_of(order.refusal)
        elif order.filled.amount == 0:
            state = OrderState.EXPIRED
        elif order.filled.amount < (outcome.record.target or ZERO):  # what was sent: steps may have changed since
            state = OrderState.PARTIAL
        else:
            state = OrderState.FILLED
        await settle(
            context,
            decision,
            entry_id,
            state,
            describe(order) + self.cut_of(decision) + note,
            code=ReasonCode.SETTLED_BY_HAND if outcome.settled_by else code,
            totals=LegTotals.nothing(decision.symbol).plus(order),
            traded=order,
            venue_order_id=order.venue_order_id,
            sent_at=outcome.sent_at,
            accepted_at=outcome.accepted_at,
            acceptance=outcome.acceptance,
        )
