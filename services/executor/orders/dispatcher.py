"""Carries out one decision after another for one account: skip, entry or exit; and what was begun before, first of all.

Total: whatever fails in here is reported as a fault, and the decision is tried again with growing pauses, from what Redis and the
venue hold. What keeps failing does not hold up the rest of its symbol for ever: an entry ends, by the venue's word if it may have
been sent, and an exit is set aside and comes again later. Only a lost lease or a lost Redis pass through, and end the turn.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.entry import EntryHandler
from services.executor.orders.exit import ExitHandler
from services.executor.orders.forced_end import end_entry, sold_unbooked
from services.executor.orders.set_aside import Postponement
from services.executor.orders.settlement import settle
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.streams import MAX_DELIVERIES, entry_ms
from shared.domain.order import TERMINAL, Decision, Kind, OrderState
from shared.domain.values.money import ZERO
from shared.runtime.crash_points import CrashPoint

_RECENT: Final = 10_000
"""How many begun orders are remembered beyond their end, in case Redis loses their records."""

log = structlog.get_logger()


class Dispatcher:
    """The decisions of one context."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._entries = EntryHandler(context)
        self._exits = ExitHandler(context)

    async def run(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """Bring a decision to its end; one of the user's own has no entry. Raises LeaseLost, BusUnavailable.

        False if it stands aside: then it is to be carried out again after `pause`, behind what waits for the same symbol.
        """
        aside = self._context.aside
        again = redelivered
        while True:
            try:
                await self._dispatch(decision, entry_id, redelivered=again)
                break
            except ENDS_A_TURN:
                raise
            except Postponement:
                aside.postpone(decision)
                return False
            except Exception as error:  # a bug in one decision must not stop this user's others
                if aside.failed(decision, error):
                    if isinstance(
                        error, BusRefused
                    ):  # a key of this decision's or user's: it may be put right any moment
                        log.error("a decision waits: Redis refuses it", **self._named(decision), reason=str(error))
                    else:
                        log.exception("a decision failed", **self._named(decision))
                again = True
                if aside.tries(decision) >= MAX_DELIVERIES:
                    if await self._end_plainly(decision, entry_id, error, suspect=redelivered):
                        break
                    return False
                self._context.priority.release(decision.id)  # nobody is to wait for what waits itself
                await asyncio.sleep(aside.pause(decision))
        aside.over(decision)
        while len(self._context.sender.attempts) > _RECENT:
            self._context.sender.attempts.pop(next(iter(self._context.sender.attempts)))
        return True

    def pause(self, decision: Decision) -> float:
        """Return the seconds until a decision that stands aside is to be carried out again."""
        return self._context.aside.pause(decision)

    async def _dispatch(self, decision: Decision, entry_id: str, *, redelivered: bool) -> None:
        context, copy = self._context, decision.copy
        context.crash_points.hit(CrashPoint.EXECUTOR_AFTER_READ)
        if copy is None:
            if not await self._was_copied_before(decision, entry_id, redelivered=redelivered):
                await settle(context, decision, entry_id, OrderState.SKIPPED, decision.reason)
            return
        if decision.kind is Kind.ENTRY and entry_id and context.books.precede(entry_ms(entry_id)):
            reason = f"decided before this account went over to {context.books.funds.words}"
            await settle(context, decision, entry_id, OrderState.SKIPPED, reason)
            return
        suspect = self._suspect(decision, entry_id, redelivered=redelivered)
        if suspect:
            context.priority.release(
                decision.id
            )  # it is not about to be sent: what became of it before is found out first
        if decision.kind is Kind.ENTRY and copy.entry is not None:
            await self._entries.execute(decision, copy.entry, entry_id, suspect=suspect)
        elif decision.kind is Kind.ENTRY:
            await settle(context, decision, entry_id, OrderState.FAILED, "a copied entry without its bounds")
        elif copy.fraction is not None:
            await self._exits.execute(decision, copy.fraction, entry_id, suspect=suspect)
        else:
            await settle(context, decision, entry_id, OrderState.FAILED, "a copied exit without its fraction")

    async def _was_copied_before(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """End an entry to be skipped that was copied before Redis lost its last writes; not asked while the account is parked."""
        if decision.kind is Kind.EXIT or not self._context.account.ready:
            return False
        if not self._suspect(decision, entry_id, redelivered=redelivered):
            return False
        return await self._entries.recall_skipped(decision, entry_id)

    def _suspect(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """Say whether something may have been sent for a decision before, here or by a predecessor."""
        decided_at = min(entry_ms(entry_id), decision.signal_at) if entry_id else decision.signal_at
        return redelivered or decided_at < self._context.lease.since or decision.id in self._context.sender.attempts

    async def _end_plainly(self, decision: Decision, entry_id: str, error: Exception, *, suspect: bool) -> bool:
        """End a decision that keeps failing as the venue has it, or set it aside and answer False."""
        context = self._context
        try:
            fields = await context.store.load(decision.id)
            if fields.get("state") in TERMINAL:
                await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # acknowledges, no more
                return True
            if decision.kind is Kind.EXIT:
                context.aside.put(decision, await sold_unbooked(context.sender, decision, entry_id))
                return False
            if fields or self._suspect(decision, entry_id, redelivered=suspect):
                terms = decision.copy.entry if decision.copy else None
                await end_entry(context, decision, terms, entry_id, error)
            else:
                await settle(context, decision, entry_id, OrderState.FAILED, f"{type(error).__name__}: {error}")
        except ENDS_A_TURN:
            raise
        except Exception as worse:  # what fails may be what the end needs: its books, say
            context.aside.failed(decision, worse)
            if isinstance(worse, BusRefused):
                log.error("an order waits: Redis refuses it", **self._named(decision), reason=str(worse))
            else:
                log.exception("an order cannot be ended; it is set aside", **self._named(decision))
            context.aside.put(decision, ZERO if decision.kind is Kind.ENTRY else None)
            return False
        return True

    def _named(self, decision: Decision) -> dict[str, object]:
        aside = self._context.aside
        return {
            "signal_id": decision.signal_id,
            "order_id": decision.id,
            "user": self._context.user,
            "tries": aside.tries(decision),
        }
