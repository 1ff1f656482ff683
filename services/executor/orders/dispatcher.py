"""Runs the decisions of one account: skip, entry or exit; what was begun before is resolved first.

Total: any failure is reported as a fault, and the decision is tried again with growing pauses, from what Redis and the venue
hold. A decision that keeps failing does not block its symbol for ever: an entry is ended, by the venue's record if it may have
been sent, and an exit is set aside and tried again later. Only a lost lease or a lost Redis pass through, and end the turn.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.admission import Admission
from services.executor.orders.entry import EntryHandler
from services.executor.orders.exit import ExitHandler
from services.executor.orders.forced_end import end_entry, sold_unbooked
from services.executor.orders.set_aside import Postponement
from services.executor.orders.settlement import settle
from services.executor.orders.shadow import ShadowHandler
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.streams import MAX_DELIVERIES, entry_ms
from shared.domain.order import TERMINAL, Decision, Kind, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO
from shared.runtime.crash_points import CrashPoint

_RECENT: Final = 1_000
"""How many attempts are remembered after their orders have ended, in case Redis loses the records. Each takes 0.45 kB."""

log = structlog.get_logger()


class Dispatcher:
    """The decisions of one account."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._entries = EntryHandler(context)
        self._shadows = ShadowHandler(context, self._entries)
        self._exits = ExitHandler(context)

    @property
    def admission(self) -> Admission:
        """The room that the account's entries have."""
        return self._entries.admission

    async def run(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """Run a decision to its end; a user's own exit has no entry. Raises LeaseLost, BusUnavailable.

        False if it was set aside: run it again after `pause`, behind what waits for the same symbol.
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
                    if await self._force_end(decision, entry_id, error, suspect=redelivered):
                        break
                    return False
                self._context.priority.release(decision.id)  # other orders must not wait for one that waits itself
                await asyncio.sleep(aside.pause(decision))
        aside.over(decision)
        while len(self._context.sender.attempts) > _RECENT:
            self._context.sender.attempts.pop(next(iter(self._context.sender.attempts)))
        return True

    def pause(self, decision: Decision) -> float:
        """Return the seconds until a decision that was set aside is to be run again."""
        return self._context.aside.pause(decision)

    async def _dispatch(self, decision: Decision, entry_id: str, *, redelivered: bool) -> None:
        context, copy = self._context, decision.copy
        context.crash_points.hit(CrashPoint.EXECUTOR_AFTER_READ)
        if copy is None:
            if not await self._was_copied_before(decision, entry_id, redelivered=redelivered):
                await self._skip(decision, entry_id)
            return
        if decision.kind is Kind.ENTRY and entry_id and context.books.precede(entry_ms(entry_id)):
            reason = f"decided before this account went over to {context.books.funds.words}"
            await settle(context, decision, entry_id, OrderState.SKIPPED, reason, code=ReasonCode.FUNDS_CHANGED)
            return
        if await context.mirrors.takes_fill(decision):
            reason = f"the master's order {decision.master_order_id} is mirrored; {decision.reason}"
            await settle(context, decision, entry_id, OrderState.SKIPPED, reason, code=ReasonCode.MIRRORED)
            return
        suspect = self._suspect(decision, entry_id, redelivered=redelivered)
        if suspect:
            context.priority.release(decision.id)  # it is resolved before anything of it is sent
        if decision.kind is Kind.ENTRY and copy.entry is not None:
            await self._entries.execute(decision, copy.entry, entry_id, suspect=suspect)
        elif decision.kind is Kind.ENTRY:
            await settle(
                context,
                decision,
                entry_id,
                OrderState.FAILED,
                "a copied entry without its bounds",
                code=ReasonCode.ORDER_MALFORMED,
            )
        elif copy.fraction is not None:
            await self._exits.execute(decision, copy.fraction, entry_id, suspect=suspect)
        else:
            await settle(
                context,
                decision,
                entry_id,
                OrderState.FAILED,
                "a copied exit without its fraction",
                code=ReasonCode.ORDER_MALFORMED,
            )

    async def _skip(self, decision: Decision, entry_id: str) -> None:
        """End a decision that places nothing: as it says, or after the venue's check at stage `shadow`."""
        terms = decision.shadow.entry if decision.shadow else None
        if terms is not None and decision.kind is Kind.ENTRY:
            await self._shadows.execute(decision, terms, entry_id)
            return
        await settle(self._context, decision, entry_id, OrderState.SKIPPED, decision.reason, code=decision.code)

    async def _was_copied_before(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """End a skipped entry that was copied before Redis lost its last writes; not while the account is parked."""
        if decision.kind is Kind.EXIT or not self._context.account.ready:
            return False
        if not self._suspect(decision, entry_id, redelivered=redelivered):
            return False
        return await self._entries.recover_skipped(decision, entry_id)

    def _suspect(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        """Return whether something may have been sent for a decision before, here or by a predecessor."""
        decided_at = min(entry_ms(entry_id), decision.signal_at) if entry_id else decision.signal_at
        return redelivered or decided_at < self._context.lease.since or decision.id in self._context.sender.attempts

    async def _force_end(self, decision: Decision, entry_id: str, error: Exception, *, suspect: bool) -> bool:
        """End a decision that keeps failing, by the venue's record, or set it aside and return False."""
        context = self._context
        try:
            fields = await context.store.load(decision.id)
            if fields.get("state") in TERMINAL:
                await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # only acknowledges
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
        except Exception as worse:  # the failing part may be needed for the end, such as the positions
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
