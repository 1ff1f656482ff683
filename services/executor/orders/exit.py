"""Exits: a fraction of what is held for their master, sold until it is gone; first within a bound of the price, then at market.

An exit does not expire, and `halt` alone stops it. It waits for a parked account, tries again with growing pauses whatever the
venue refuses, and never sells more than is held or what Shoal did not buy. Each try that may have traded is a leg with its own
client order id; the position changes in the same step as the order's record. It ends short of its target only if the rest is
dust, or if the account has less than was copied because its owner sold or moved the rest. A rounding difference that the venue
credited too little is written off.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.orders.exit_delay import ExitDelay
from services.executor.orders.exit_plan import BLANK, NOTHING_HELD, ExitPlanner
from services.executor.orders.exit_progress import ExitProgress
from services.executor.orders.settlement import book_leg, settle
from shared.bus.order.book_changes import PositionChange
from shared.contracts.fields import MalformedMessageError
from shared.contracts.position_record import write_position
from shared.domain.control import refusal
from shared.domain.order import TERMINAL, Decision, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import ONE, plain
from shared.execution.conditions import Conditions, Switches
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NotSent, describe
from shared.execution.record import OrderRecord
from shared.execution.recovery.lost_record import recover_lost_record
from shared.execution.resolution import resolve_leg
from shared.execution.send import send_once
from shared.venues.errors import Refusal, VenueError
from shared.venues.port import VenueOrder

_HALT_POLL: Final = 0.5

log = structlog.get_logger()


class ExitHandler:
    """Runs the exits of one account."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._planner = ExitPlanner(
            context.positions, context.aside, context.faults, context.venue, context.store, context.clock
        )

    async def execute(self, decision: Decision, fraction: Decimal, entry_id: str, *, suspect: bool) -> None:
        """Run one exit to its end. `suspect`: something may have been sent before, which is resolved first."""
        progress = ExitProgress(suspect=suspect)
        with ExitDelay(self._context.faults, decision, lambda: self._why_not_ended(progress)):
            await self._try_until_ended(decision, fraction, entry_id, progress)

    async def _try_until_ended(
        self, decision: Decision, fraction: Decimal, entry_id: str, progress: ExitProgress
    ) -> None:
        if await self._ended_already(decision, entry_id, progress):
            return
        while True:
            if progress.tries or not self._context.account.ready:
                self._context.priority.release(decision.id)  # other orders must not wait for one that waits itself
            if progress.tries:
                await asyncio.sleep(progress.pause())
            progress.tries += 1
            await self._until_allowed(decision, progress)
            named = await self._under_present_name(decision, progress)
            if named is None:
                continue
            decision = named
            await self._context.mirrors.make_room(decision)
            plan = await self._planner.next_leg(
                decision, fraction, entry_id, progress, guards=self._context.policy.guards
            )
            if plan is None:
                continue
            if isinstance(plan, Skip):
                await self._finish(decision, entry_id, plan, progress)
                return
            if await self._book(decision, entry_id, await self._send(decision, plan, progress), progress):
                return

    async def _under_present_name(self, decision: Decision, progress: ExitProgress) -> Decision | None:
        """Return the decision under the present name of its symbol; None if the account has no coins under that name yet.

        What it has already traded is then counted in units of the present name.
        """
        context = self._context
        try:
            if not await context.names.hold():
                progress.last = "assets have other names than this turn goes by: a new turn begins"
                return None
            named = await context.renamer.present_name(decision.symbol)
        except VenueError as error:
            progress.last = str(error)
            return None
        if named.waits:
            progress.last = named.waits
            return None
        if named.symbol == decision.symbol:
            return decision
        record = OrderRecord.read(await context.store.load(decision.id))
        if record.state is OrderState.PLANNED and record.symbol not in {"", str(named.symbol)}:
            ratio = context.renames.ratio(decision.symbol, named.symbol)
            fields = {"symbol": str(named.symbol), "filled_size": plain(record.filled * ratio)}
            if record.target is not None:
                fields["target"] = plain(record.target * ratio)
            await context.store.move(decision.id, OrderState.PLANNED, fields)
        return decision.exit_as(named.symbol)

    async def _ended_already(self, decision: Decision, entry_id: str, progress: ExitProgress) -> bool:
        """End an exit that needs no (further) send; return whether it has ended."""
        context = self._context
        record = OrderRecord.read(await context.store.load(decision.id)) if progress.suspect else BLANK
        if record.state in TERMINAL:
            await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # only acknowledges
            return True
        if record.state is None and await self._holds_nothing_and_cannot_ask(decision):
            await settle(context, decision, entry_id, OrderState.SKIPPED, NOTHING_HELD, code=ReasonCode.NOTHING_HELD)
            return True
        begun = record.state not in {None, OrderState.PLANNED}
        order = TrackedOrder.of(decision, entry_id)
        if begun or (progress.suspect and await self._recovered(decision, order, record.leg)):
            outcome = await resolve_leg(context.sender, order, record.leg, self._conditions(decision))
            return await self._book(decision, entry_id, outcome, progress)
        return False

    async def _send(self, decision: Decision, leg: Leg, progress: ExitProgress) -> LegOutcome:
        sender = self._context.sender
        progress.begun = True
        if progress.suspect and await self._recovered(decision, leg.order, leg.number):
            return await resolve_leg(sender, leg.order, leg.number)
        return await send_once(sender, leg, self._conditions(decision), records_end=True)

    def _conditions(self, decision: Decision) -> Conditions:
        switches = Switches(self._context.switch_keys(decision.symbol), lambda: self._guard(decision))
        return Conditions(_unguarded, switches)

    async def _recovered(self, decision: Decision, order: TrackedOrder, number: int) -> bool:
        """Return whether the venue knows a leg that Redis lost; its record is then written again."""
        context = self._context
        closes_all = decision.copy is not None and decision.copy.fraction == ONE
        return await recover_lost_record(context.sender, context.history, order, number, closes_all=closes_all)

    async def _holds_nothing_and_cannot_ask(self, decision: Decision) -> bool:
        """Return whether nothing is held and the account is parked: the exit need not wait for it."""
        context = self._context
        if context.account.ready or context.account.books_lost:
            return False
        if not context.names.known:  # any position may be of this asset
            holdings = await context.positions.all()
            return not holdings.positions and not holdings.unreadable
        try:
            for name in (decision.symbol, *context.renames.former(decision.symbol)):
                position = await context.positions.of(name)
                if position is not None and position.book(decision.master).size.amount > 0:
                    return False
        except MalformedMessageError as error:
            self._planner.report_unreadable(decision, error)
            return False
        return True

    async def _until_allowed(self, decision: Decision, progress: ExitProgress) -> None:
        """Wait for the account and, before another try, for the switches; the first try is stopped by the guard in the lane."""
        await self._context.account.until_ready()
        while progress.begun and (stop := await self._guard(decision)) is not None:
            progress.last = stop.reason
            await asyncio.sleep(_HALT_POLL)
            await self._context.account.until_ready()

    def _why_not_ended(self, progress: ExitProgress) -> str:
        if not self._context.account.ready:
            return f"account is parked: {self._context.account.reason}"
        return progress.last or "the venue has not answered yet what became of it"

    async def _guard(self, decision: Decision) -> Denied | None:
        forbidden = refusal(decision.kind, *await self._context.switches(decision.symbol))
        return Denied(OrderState.PLANNED, forbidden.reason, forbidden.code) if forbidden else None

    async def _book(self, decision: Decision, entry_id: str, outcome: LegOutcome, progress: ExitProgress) -> bool:
        """Book how a leg ended; return whether that was the end of the exit."""
        if isinstance(outcome, Executed):
            return await self._book_trade(decision, entry_id, outcome, progress)
        if isinstance(outcome, Denied):
            if outcome.outcome in TERMINAL:
                await settle(self._context, decision, entry_id, outcome.outcome, outcome.reason)  # only acknowledges
            return outcome.outcome in TERMINAL
        if isinstance(outcome, LegRejected):
            progress.last = outcome.words
            progress.refusals += 1
            if outcome.refusal is Refusal.FUNDS:
                progress.funds.refusals += 1
                self._context.account.refresh_soon()
            if outcome.sent_at is not None:
                await self._context.store.move(decision.id, OrderState.PLANNED, {"reason": outcome.words})
            log.warning(
                "exit refused; it will be tried again",
                signal_id=decision.signal_id,
                user=self._context.user,
                reason=outcome.words,
                tries=progress.tries,
            )
        elif isinstance(outcome, NotSent):
            progress.last = outcome.words
        return False

    async def _book_trade(self, decision: Decision, entry_id: str, outcome: Executed, progress: ExitProgress) -> bool:
        context, order = self._context, outcome.order
        record = outcome.record
        totals = record.totals(decision.symbol).plus(order)
        progress.sent_at, progress.accepted_at = outcome.sent_at, outcome.accepted_at
        progress.venue_order_id, progress.last = order.venue_order_id, describe(order)
        if record.target is not None and totals.filled.amount >= record.target:
            if not progress.sized:  # a predecessor sized its leg
                progress.dust = await self._planner.dust_after(order, decision.master)
            await settle(
                context,
                decision,
                entry_id,
                OrderState.FILLED,
                _describe_end(order, record.leg, progress),
                totals=totals,
                traded=order,
                written_off=progress.funds.crumb,
                venue_order_id=order.venue_order_id,
                code=ReasonCode.SETTLED_BY_HAND if outcome.settled_by else "",
                sent_at=outcome.sent_at,
                accepted_at=outcome.accepted_at,
                acceptance=outcome.acceptance,
            )
            return True
        if order.filled.amount or record.leg == 1:
            progress.tries = 0  # the price bound was missed: a market order follows at once
        next_leg = {"leg": str(record.leg + 1), "client_order_id": "", "venue_order_id": ""}
        await book_leg(context, decision, order, {**totals.fields(), **next_leg}, outcome.acceptance)
        return False

    async def _finish(self, decision: Decision, entry_id: str, end: Skip, progress: ExitProgress) -> None:
        """End an exit of which no more can be sold: skipped if nothing was sold, else partial."""
        context, reason = self._context, end.reason
        record = OrderRecord.read(await context.store.load(decision.id))
        totals = record.totals(decision.symbol)
        outcome = OrderState.PARTIAL if totals.filled.amount else OrderState.SKIPPED
        if totals.filled.amount and record.target is None and end.code is ReasonCode.NOTHING_HELD:
            outcome = OrderState.FILLED  # found at the venue after Redis lost it, and nothing is left to sell
        position = await self._lowered(decision, progress)
        if position is not None:
            reason = f"{reason}; the account has less than was copied: its owner has sold or moved the rest"
        await settle(
            context,
            decision,
            entry_id,
            outcome,
            reason,
            code=end.code,
            totals=totals,
            position=position,
            venue_order_id=progress.venue_order_id,
            sent_at=progress.sent_at,
            accepted_at=progress.accepted_at,
        )

    async def _lowered(self, decision: Decision, progress: ExitProgress) -> PositionChange | None:
        """Return the position lowered to what the account was found to have; None if that is not less."""
        context = self._context
        has = progress.funds.has
        if has is None:
            return None
        held = await context.positions.of(decision.symbol)
        if held is None or held.size <= has:
            return None
        left = held.missing(held.size - has, decision.master, context.clock())
        return PositionChange(str(decision.symbol), write_position(left) if left.size.amount > 0 else None)


async def _unguarded() -> None:
    """Stop nothing: but for the switches, an exit has no guards."""


def _describe_end(order: VenueOrder, legs: int, progress: ExitProgress) -> str:
    """Describe the last leg of an exit that has reached its target, and what it leaves."""
    words = f"{describe(order)} in {legs} leg(s)" if legs > 1 else describe(order)
    if (crumb := progress.funds.crumb) is not None:
        words += f"; {crumb} is written off: the venue credited less than it had filled"
    return words if progress.dust is None else f"{words}; dust: {progress.dust} stays held, too little to sell"
