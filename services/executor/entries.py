"""Entries: sent once, as limit immediate-or-cancel at the price the engine bound them to, while they are fresh and within limits.

What cannot be sent in time expires; what the venue refuses is rejected in its own words. Nothing here waits for better luck.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from services.executor.admission import Admission
from services.executor.desk import Desk
from services.executor.ends import Absent, End, NotSent, Refused, Stopped, Traded, describe
from services.executor.leg import recall, trade
from services.executor.record import Leg, OrderRecord, Tally
from services.executor.resolving import resume
from services.executor.settlement import settle
from shared.domain.control import refusal
from shared.domain.money import ZERO
from shared.domain.order import TERMINAL, Copy, Decision, OrderState
from shared.domain.skip import Skip

_RETRY: Final = 0.25
"""Seconds before a send is tried again that the venue did not process."""


class EntryHandler:
    """Carries out the copied entries of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._admission = Admission(desk)
        self._cuts: dict[str, str] = {}

    async def carry_out(self, decision: Decision, copy: Copy, entry_id: str, *, suspect: bool) -> None:
        """Bring one entry to its end. `suspect`: something may have been sent before, which is followed first."""
        try:
            await self._carry_out(decision, copy, entry_id, suspect=suspect)
        finally:
            self._admission.release(decision)
            self._cuts.pop(decision.id, None)

    async def _carry_out(self, decision: Decision, copy: Copy, entry_id: str, *, suspect: bool) -> None:
        desk = self._desk
        end: End | None = None
        before = ""
        if suspect:
            record = OrderRecord.read(await desk.store.load(decision.id))
            if record.state in TERMINAL:
                await settle(desk, decision, entry_id, OrderState.FAILED, "ended before")  # acknowledges, no more
                return
            begun = record.state not in {None, OrderState.PLANNED}
            if begun or await recall(desk, decision, entry_id, 1):
                if copy.base_size is not None and copy.limit_price is not None:
                    self._admission.reserve(decision, copy.base_size, copy.limit_price)
                end = await resume(desk, decision, 1)
        while end is None or isinstance(end, (Absent, NotSent)):
            if end is not None:
                desk.way.left(decision.id)  # nobody is to wait for what waits itself
                before = f" (not sent before: {end.words})" if isinstance(end, NotSent) else before
                await asyncio.sleep(max(_RETRY, end.retry_after if isinstance(end, NotSent) else 0.0))
            end = await self._send(decision, copy, entry_id)
        if isinstance(end, Stopped):
            end = Stopped(end.outcome, end.reason + before)
        await self._end(decision, entry_id, end)

    async def _send(self, decision: Decision, copy: Copy, entry_id: str) -> End:
        desk = self._desk
        if (stop := self._barred(copy)) is not None:
            return stop
        instrument = (await desk.venue.instruments()).get(decision.symbol)
        if instrument is None:
            return Stopped(OrderState.SKIPPED, f"{decision.symbol} is not traded on {decision.venue}")
        if copy.base_size is None:
            return Stopped(OrderState.FAILED, "a copied entry without a size")
        size = copy.base_size.floored(instrument.lot_step)
        limit = copy.limit_price.floored(instrument.tick) if copy.limit_price else None
        if limit is not None and (missed := instrument.below_minimum(size, limit)):
            return Stopped(OrderState.SKIPPED, f"below venue minimum: {missed}")
        bound = limit or (await desk.venue.prices([decision.symbol])).get(decision.symbol)
        if bound is None:
            return Stopped(OrderState.SKIPPED, f"{decision.symbol} has no price just now")
        admitted = await self._admission.admit(decision, size, bound, instrument)
        if isinstance(admitted, Skip):
            return Stopped(OrderState.SKIPPED, admitted.reason)
        if admitted.note:
            self._cuts[decision.id] = f" ({admitted.note})"
        size = admitted.size
        leg = Leg(decision, entry_id, 1, size, limit, size)
        return await trade(desk, leg, lambda: self._guard(decision, copy))

    def _barred(self, copy: Copy) -> Stopped | None:
        desk = self._desk
        if not desk.account.ready:
            return Stopped(OrderState.FAILED, f"account is parked: {desk.account.reason}")
        if desk.policy.fault:
            return Stopped(OrderState.SKIPPED, desk.policy.fault)
        if not desk.policy.enabled:
            return Stopped(OrderState.SKIPPED, "the user is disabled")
        return self._too_late(copy)

    async def _guard(self, decision: Decision, copy: Copy) -> Stopped | None:
        if (late := self._too_late(copy)) is not None:
            return late
        if forbidden := refusal(decision.kind, *await self._desk.switches(decision.symbol)):
            return Stopped(OrderState.SKIPPED, forbidden)
        if stopped := self._desk.risk.stopped(self._desk.clock()):
            return Stopped(OrderState.SKIPPED, stopped)
        if off := self._desk.alarm.refusal():
            return Stopped(OrderState.SKIPPED, off)
        return None

    def _too_late(self, copy: Copy) -> Stopped | None:
        now = self._desk.clock()
        if copy.not_after is not None and now > copy.not_after:
            return Stopped(OrderState.EXPIRED, f"{(now - copy.not_after) / 1000:.1f} s past the age this user accepts")
        return None

    async def _end(self, decision: Decision, entry_id: str, end: Traded | Refused | Stopped) -> None:
        desk = self._desk
        if isinstance(end, Stopped):
            await settle(desk, decision, entry_id, end.outcome, end.reason)
            return
        if isinstance(end, Refused):
            await settle(desk, decision, entry_id, OrderState.REJECTED, end.words, sent_at=end.sent_at)
            return
        order = end.order
        if order.filled.amount == 0:
            outcome = OrderState.EXPIRED
        elif order.filled.amount < (await self._target(decision)):
            outcome = OrderState.PARTIAL
        else:
            outcome = OrderState.FILLED
        await settle(
            desk,
            decision,
            entry_id,
            outcome,
            describe(order) + self._cuts.get(decision.id, ""),
            tally=Tally.nothing(decision.symbol).plus(order),
            traded=order,
            venue_order_id=order.venue_order_id,
            sent_at=end.sent_at,
            accepted_at=end.accepted_at,
        )

    async def _target(self, decision: Decision) -> Decimal:
        """Give what was sent, from the write-ahead: steps may have changed since."""
        return OrderRecord.read(await self._desk.store.load(decision.id)).target or ZERO
