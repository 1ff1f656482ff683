"""Entries at stage `shadow`: everything up to the send, then the venue's check instead of it. Nothing is placed or booked.

The decision has no `copy`, so the handlers of entries and exits cannot send it. The outcome is `skipped` with the code `shadow`,
or `shadow_refused` with the venue's words.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.entry import EntryHandler
from services.executor.orders.settlement import settle
from shared.domain.order import Decision, EntryTerms, OrderState
from shared.domain.reason import ReasonCode
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.order_check import Checked, CheckInDoubt, check_once
from shared.execution.outcome import Denied, NotSent

_RETRY: Final = 0.25
"""Seconds before an entry that the venue could not check is checked again."""

log = structlog.get_logger()


class ShadowHandler:
    """Runs the entries of one account that are only checked; `entries` judges them as if they were to be sent."""

    def __init__(self, context: AccountContext, entries: EntryHandler) -> None:
        self._context = context
        self._entries = entries

    async def execute(self, decision: Decision, terms: EntryTerms, entry_id: str) -> None:
        """Have an entry checked while it is fresh, and settle it."""
        try:
            await self._check_while_fresh(decision, terms, entry_id)
        finally:
            self._entries.release(decision)

    async def _check_while_fresh(self, decision: Decision, terms: EntryTerms, entry_id: str) -> None:
        context, order = self._context, TrackedOrder.of(decision, entry_id)
        while True:
            leg = await self._entries.prepare(decision, terms, order)
            if isinstance(leg, Denied):
                await self._deny(decision, entry_id, leg)
                return
            found = await check_once(context.sender, leg, self._entries.conditions(decision, terms))
            if not isinstance(found, NotSent):
                break
            context.priority.release(decision.id)  # other orders must not wait for one that waits itself
            await asyncio.sleep(max(_RETRY, found.retry_after))
        if isinstance(found, Denied):
            await self._deny(decision, entry_id, found)
        elif isinstance(found, CheckInDoubt):
            await self._look_for_it(decision, entry_id, found)
        else:
            await self._settle(decision, entry_id, leg, found)

    async def _settle(self, decision: Decision, entry_id: str, leg: Leg, found: Checked) -> None:
        what = f"{decision.side} {leg.size} at up to {leg.limit_price}{self._entries.cut_of(decision)}"
        verdict = f"would refuse it: {found.words}" if found.words else "would take it"
        reason = f"stage shadow: {decision.venue} {verdict} ({what}; checked in {found.took_ms} ms, not placed)"
        code = ReasonCode.SHADOW_REFUSED if found.words else ReasonCode.SHADOW
        await settle(self._context, decision, entry_id, OrderState.SKIPPED, reason, code=code)

    async def _deny(self, decision: Decision, entry_id: str, stop: Denied) -> None:
        await settle(self._context, decision, entry_id, stop.outcome, stop.reason, code=stop.code)

    async def _look_for_it(self, decision: Decision, entry_id: str, found: CheckInDoubt) -> None:
        """Book what the venue may have placed against its word; what it has bought must have its exits."""
        if await self._entries.recover_skipped(decision, entry_id):
            return
        reason = f"stage shadow: {found.words}; the venue has no such order"
        await settle(self._context, decision, entry_id, OrderState.SKIPPED, reason, code=ReasonCode.SHADOW_REFUSED)
