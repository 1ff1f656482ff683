"""Entries: sent once, as limit immediate-or-cancel at the price the engine bound them to, while they are fresh and within limits.

What cannot be sent in time expires; what the venue refuses is rejected in its own words. Nothing here waits for better luck.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.admission import Admission
from services.executor.orders.settlement import settle
from shared.domain.control import refusal
from shared.domain.order import CLOCK_TOLERANCE_MS, TERMINAL, Decision, EntryTerms, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import ZERO
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NeverReceived, NotSent, describe
from shared.execution.record import Leg, OrderRecord, Tally
from shared.execution.resolution import resume
from shared.execution.send import recall, trade

_RETRY: Final = 0.25
"""Seconds before a send is tried again that the venue did not process."""

log = structlog.get_logger()


class EntryHandler:
    """Carries out the copied entries of one context."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._admission = Admission(context)
        self._cuts: dict[str, str] = {}

    async def carry_out(self, decision: Decision, terms: EntryTerms, entry_id: str, *, suspect: bool) -> None:
        """Bring one entry to its end. `suspect`: something may have been sent before, which is followed first."""
        try:
            await self._carry_out(decision, terms, entry_id, suspect=suspect)
        finally:
            self._admission.release(decision)
            self._cuts.pop(decision.id, None)

    async def recall_skipped(self, decision: Decision, entry_id: str) -> bool:
        """End an entry that is decided to be skipped, and that the venue has all the same: Redis lost the decision to copy it.

        False if the venue never had it. Without this, what was bought would be nobody's and would never be sold.
        """
        context = self._context
        record = OrderRecord.read(await context.store.load(decision.id))
        if record.state is not None or not await recall(context, decision, entry_id, 1):
            return False
        end = await resume(context, decision, 1)
        if not isinstance(end, Executed):
            return False
        log.warning(
            "an entry was copied before it was decided to be skipped", signal_id=decision.signal_id, user=context.user
        )
        await self._end(
            decision, entry_id, end, note=f"; decided anew as a skip: {decision.reason}", code=ReasonCode.RECALLED
        )
        return True

    async def _carry_out(self, decision: Decision, terms: EntryTerms, entry_id: str, *, suspect: bool) -> None:
        context = self._context
        end: LegOutcome | None = None
        before = ""
        if suspect:
            record = OrderRecord.read(await context.store.load(decision.id))
            if record.state in TERMINAL:
                await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # acknowledges, no more
                return
            begun = record.state not in {None, OrderState.PLANNED}
            if begun or await recall(context, decision, entry_id, 1):
                self._admission.reserve(decision, terms.size, terms.limit_price)
                end = await resume(context, decision, 1)
        while end is None or isinstance(end, (NeverReceived, NotSent)):
            if end is not None:
                context.priority.release(decision.id)  # nobody is to wait for what waits itself
                before = f" (not sent before: {end.words})" if isinstance(end, NotSent) else before
                await asyncio.sleep(max(_RETRY, end.retry_after if isinstance(end, NotSent) else 0.0))
            end = await self._send(decision, terms, entry_id)
        if isinstance(end, Denied):
            end = Denied(end.outcome, end.reason + before)
        await self._end(decision, entry_id, end)

    async def _send(self, decision: Decision, terms: EntryTerms, entry_id: str) -> LegOutcome:
        context = self._context
        if (stop := self._barred(decision, terms)) is not None:
            return stop
        if other := context.aside.in_the_way(decision, context.renames):
            return Denied(OrderState.SKIPPED, f"order {other} of {decision.symbol} has not come to its end")
        instrument = (await context.venue.instruments()).get(decision.symbol)
        if instrument is None:
            return Denied(OrderState.SKIPPED, f"{decision.symbol} is not traded on {decision.venue}")
        size, limit = terms.size.floored(instrument.lot_step), terms.limit_price.floored(instrument.tick)
        if limit.amount <= 0:
            return Denied(
                OrderState.SKIPPED, f"its limit of {terms.limit_price} is below one tick of {instrument.tick}"
            )
        if missed := instrument.below_minimum(size, limit):
            return Denied(OrderState.SKIPPED, f"below venue minimum: {missed}")
        admitted = await self._admission.admit(decision, size, limit, instrument)
        if isinstance(admitted, Skip):
            return Denied(OrderState.SKIPPED, admitted.reason)
        if admitted.note:
            self._cuts[decision.id] = f" ({admitted.note})"
        size = admitted.size
        leg = Leg(decision, entry_id, 1, size, limit, size)
        return await trade(context, leg, lambda: self._guard(decision, terms))

    def _barred(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        context = self._context
        if not context.account.ready:
            return Denied(OrderState.FAILED, f"account is parked: {context.account.reason}")
        if context.policy.fault:
            return Denied(OrderState.SKIPPED, context.policy.fault)
        if not context.policy.enabled:
            return Denied(OrderState.SKIPPED, "the user is disabled")
        return self._too_late(decision, terms)

    async def _guard(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        if (late := self._too_late(decision, terms)) is not None:
            return late
        if forbidden := refusal(decision.kind, *await self._context.switches(decision.symbol)):
            return Denied(OrderState.SKIPPED, forbidden.reason)
        if stopped := self._context.risk.stopped(self._context.clock()):
            return Denied(OrderState.SKIPPED, stopped)
        if off := self._context.alarm.refusal():
            return Denied(OrderState.SKIPPED, off)
        return None

    def _too_late(self, decision: Decision, terms: EntryTerms) -> Denied | None:
        """Judge the age by what this process knows as well: instants that somebody wrote may lie."""
        now = self._context.clock()
        ahead = decision.signal_at - now
        if ahead > CLOCK_TOLERANCE_MS:
            return Denied(
                OrderState.EXPIRED, f"its signal is dated {ahead / 1000:.1f} s in the future; a clock is wrong"
            )
        last_moment = min(terms.not_after, decision.signal_at + self._context.policy.guards.max_signal_age_ms)
        if now > last_moment:
            return Denied(OrderState.EXPIRED, f"{(now - last_moment) / 1000:.1f} s past the age this user accepts")
        return None

    async def _end(
        self, decision: Decision, entry_id: str, end: Executed | LegRejected | Denied, *, note: str = "", code: str = ""
    ) -> None:
        context = self._context
        if isinstance(end, Denied):
            await settle(context, decision, entry_id, end.outcome, end.reason)
            return
        if isinstance(end, LegRejected):
            await settle(context, decision, entry_id, OrderState.REJECTED, end.words, sent_at=end.sent_at)
            return
        order = end.order
        if order.filled.amount == 0:
            outcome = OrderState.EXPIRED
        elif order.filled.amount < (await self._target(decision)):
            outcome = OrderState.PARTIAL
        else:
            outcome = OrderState.FILLED
        await settle(
            context,
            decision,
            entry_id,
            outcome,
            describe(order) + self._cuts.get(decision.id, "") + note,
            code=code,
            tally=Tally.nothing(decision.symbol).plus(order),
            traded=order,
            venue_order_id=order.venue_order_id,
            sent_at=end.sent_at,
            accepted_at=end.accepted_at,
        )

    async def _target(self, decision: Decision) -> Decimal:
        """Give what was sent, from the write-ahead: steps may have changed since."""
        return OrderRecord.read(await self._context.store.load(decision.id)).target or ZERO
