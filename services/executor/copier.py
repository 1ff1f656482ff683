"""Carries out one decision after another for one account: skip, entry or exit; and what was begun before, first of all.

Total: whatever fails in here, the decision is tried again from what Redis and the venue hold, and an entry that keeps failing
before anything was sent ends as `failed`. Only a lost lease or a lost Redis pass through, and end the turn.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.executor.desk import Desk
from services.executor.entries import EntryHandler
from services.executor.exits import ExitHandler
from services.executor.settlement import settle
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.streams import MAX_DELIVERIES, entry_ms
from shared.config.boundary import Step
from shared.domain.order import Decision, Kind, OrderState

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_RECENT: Final = 10_000
"""How many begun orders are remembered beyond their end, in case Redis loses their records."""

log = structlog.get_logger()


class Copier:
    """The decisions of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._entries = EntryHandler(desk)
        self._exits = ExitHandler(desk)

    async def carry_out(self, decision: Decision, entry_id: str, *, redelivered: bool) -> None:
        """Bring a decision to its end; one of the user's own has no entry. Raises LeaseLost, BusUnavailable."""
        tries = 0
        while True:
            try:
                await self._carry_out(decision, entry_id, redelivered=redelivered or tries > 0)
                break
            except ENDS_A_TURN:
                raise
            except BusRefused as error:  # a key of this decision's or this user's: it may be put right at any moment
                log.error("a decision waits: Redis refuses it", **self._about(decision), tries=tries, reason=str(error))
                failed: Exception = error
            except Exception as error:  # a bug in one decision must not stop this user's others
                log.exception("a decision failed", **self._about(decision), tries=tries + 1)
                failed = error
            tries += 1
            if tries >= MAX_DELIVERIES and await self._give_up(decision, entry_id, failed):
                break
            await asyncio.sleep(min(_FIRST_PAUSE * 2.0**tries, _LONGEST_PAUSE))
        while len(self._desk.begun) > _RECENT:
            self._desk.begun.pop(next(iter(self._desk.begun)))

    async def _carry_out(self, decision: Decision, entry_id: str, *, redelivered: bool) -> None:
        desk, copy = self._desk, decision.copy
        desk.boundary.passed(Step.EXECUTOR_AFTER_READ)
        if copy is None:
            await settle(desk, decision, entry_id, OrderState.SKIPPED, decision.reason)
            return
        if decision.kind is Kind.ENTRY and entry_id and desk.books.precede(entry_ms(entry_id)):
            reason = f"decided before this account went over to {desk.books.funds.words}"
            await settle(desk, decision, entry_id, OrderState.SKIPPED, reason)
            return
        decided_at = min(entry_ms(entry_id), decision.signal_at) if entry_id else decision.signal_at
        older = decided_at < desk.lease.since
        suspect = redelivered or older or decision.id in desk.begun
        if suspect:
            desk.way.left(decision.id)  # it is not about to be sent: what became of it before is found out first
        if decision.kind is Kind.ENTRY:
            await self._entries.carry_out(decision, copy, entry_id, suspect=suspect)
        elif copy.fraction is not None:
            await self._exits.carry_out(decision, copy.fraction, entry_id, suspect=suspect)
        else:
            await settle(desk, decision, entry_id, OrderState.FAILED, "a copied exit without its fraction")

    def _about(self, decision: Decision) -> dict[str, str]:
        return {"signal_id": decision.signal_id, "user": self._desk.user}

    async def _give_up(self, decision: Decision, entry_id: str, error: Exception) -> bool:
        """End a decision that keeps failing, if nothing was ever sent for it and it is no exit."""
        try:
            if decision.kind is Kind.EXIT or await self._desk.store.load(decision.id):
                return False
            await settle(self._desk, decision, entry_id, OrderState.FAILED, f"{type(error).__name__}: {error}")
        except BusRefused:
            return False  # a key of this order's is something else: nothing can be said of it, so it is tried again
        return True
