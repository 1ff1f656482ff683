"""Exits: a fraction of what is held from copying, sold until it is gone; first within a bound of the price, then at market.

An exit does not age and has no guards but `halt`. It waits for a parked account, tries again with growing pauses whatever the
venue refuses, and never sells more than is held or what Shoal did not buy. Each try that may have traded is one leg with a
client order id of its own; the position changes in the same step as the order's record. It ends short of its aim only if what is
left is dust, or if the account itself has less than was copied: then its owner has sold the rest. A crumb that the venue credited
too little is written off instead, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.account.renaming import is_unlisted, present_name
from services.executor.orders.exit_delay import ExitDelay
from services.executor.orders.exit_funds import ExitFunds
from services.executor.orders.exit_price import bound
from services.executor.orders.set_aside import Postponed
from services.executor.orders.settlement import book_leg, settle
from shared.bus.orders import PositionChange
from shared.contracts.fields import MalformedMessageError
from shared.contracts.position_record import write_position
from shared.domain.control import refusal
from shared.domain.exits import ExitSize, size_exit
from shared.domain.fault import FaultKind
from shared.domain.order import TERMINAL, Decision, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NotSent, describe
from shared.execution.record import Leg, OrderRecord
from shared.execution.resolution import resume
from shared.execution.send import recall, trade
from shared.venues.errors import Refusal, VenueError
from shared.venues.port import VenueOrder

_WAIT_FIRST, _WAIT_MOST = 0.5, 30.0
_HALT_POLL: Final = 0.5
_NOTHING_HELD: Final = "nothing is held from copying"
_FRESH_MS: Final = 10_000
"""Published prices younger than this are taken for the present one."""

_BLANK: Final = OrderRecord.read({})

log = structlog.get_logger()


@dataclass(slots=True)
class _Progress:
    """Where one exit stands between its tries."""

    suspect: bool = False
    begun: bool = False
    """Whether a leg was sent, or tried to be; before that there is no record to look at."""
    tries: int = 0
    refusals: int = 0
    funds: ExitFunds = field(default_factory=ExitFunds)
    sent_at: int | None = None
    accepted_at: int | None = None
    venue_order_id: str = ""
    last: str = ""
    dust: Quantity | None = None
    """What stays held after the leg that was sized last, because no order for so little is taken."""

    def pause(self) -> float:
        return min(_WAIT_FIRST * 2.0 ** min(self.tries, 10), _WAIT_MOST)


class ExitHandler:
    """Carries out the copied exits of one context."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context

    async def carry_out(self, decision: Decision, fraction: Decimal, entry_id: str, *, suspect: bool) -> None:
        """End one exit, however long that takes. `suspect`: something may have been sent before, which is followed first."""
        progress = _Progress(suspect=suspect)
        with ExitDelay(self._context.faults, decision, lambda: self._why_not_ended(progress)):
            await self._carry_out(decision, fraction, entry_id, progress)

    async def _carry_out(self, decision: Decision, fraction: Decimal, entry_id: str, progress: _Progress) -> None:
        if await self._ended_already(decision, entry_id, progress):
            return
        while True:
            if progress.tries or not self._context.account.ready:
                self._context.priority.release(decision.id)  # nobody is to wait for what waits itself
            if progress.tries:
                await asyncio.sleep(progress.pause())
            progress.tries += 1
            await self._until_allowed(decision, progress)
            named = await self._under_present_name(decision, progress)
            if named is None:
                continue
            decision = named
            plan = await self._plan(decision, fraction, entry_id, progress)
            if plan is None:
                continue
            if isinstance(plan, Skip):
                await self._finish(decision, entry_id, plan.reason, progress)
                return
            if await self._book(decision, entry_id, await self._trade(plan, progress), progress):
                return

    async def _under_present_name(self, decision: Decision, progress: _Progress) -> Decision | None:
        """Return the decision under the name that its symbol has at the venue now; None if its coins are not there yet.

        What it has traded already is counted in present units from then on.
        """
        context = self._context
        try:
            if not await context.names_hold():
                progress.last = "assets have other names than this turn goes by: a new turn begins"
                return None
            named = await present_name(context, decision.symbol)
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

    async def _ended_already(self, decision: Decision, entry_id: str, progress: _Progress) -> bool:
        """End an exit that needs no more sending: one that was sent before, or one of which nothing is held while parked."""
        context = self._context
        record = OrderRecord.read(await context.store.load(decision.id)) if progress.suspect else _BLANK
        if record.state in TERMINAL:
            await settle(context, decision, entry_id, OrderState.FAILED, "ended before")  # acknowledges, no more
            return True
        if record.state is None and await self._holds_nothing_and_cannot_ask(decision):
            await settle(context, decision, entry_id, OrderState.SKIPPED, _NOTHING_HELD)
            return True
        begun = record.state not in {None, OrderState.PLANNED}
        if begun or (progress.suspect and await recall(context, decision, entry_id, record.leg)):
            return await self._book(decision, entry_id, await resume(context, decision, record.leg), progress)
        return False

    async def _trade(self, leg: Leg, progress: _Progress) -> LegOutcome:
        context, decision = self._context, leg.decision
        progress.begun = True
        if progress.suspect and await recall(context, decision, leg.entry_id, leg.number):
            return await resume(context, decision, leg.number)
        return await trade(context, leg, lambda: self._guard(decision))

    async def _holds_nothing_and_cannot_ask(self, decision: Decision) -> bool:
        """Say whether a close has nothing to do for a parked account: it need not wait for the account's return."""
        context = self._context
        if context.account.ready or context.account.books_lost:
            return False
        if not context.names_known:  # what is held under any name may be it
            holdings = await context.records.holdings(context.user, context.venue.name)
            return not holdings.positions and not holdings.unreadable
        try:
            for name in (decision.symbol, *context.renames.former(decision.symbol)):
                position = await context.records.position(context.user, context.venue.name, name)
                if position is not None and position.size.amount > 0:
                    return False
        except MalformedMessageError as error:
            self._say_unreadable(decision, error)
            return False
        return True

    async def _until_allowed(self, decision: Decision, progress: _Progress) -> None:
        """Wait for the account and, before another try, for the switches; the first is stopped by the guard in the lane."""
        await self._context.account.until_ready()
        while progress.begun and (stop := await self._guard(decision)) is not None:
            progress.last = stop.reason
            await asyncio.sleep(_HALT_POLL)
            await self._context.account.until_ready()

    def _why_not_ended(self, progress: _Progress) -> str:
        if not self._context.account.ready:
            return f"account is parked: {self._context.account.reason}"
        return progress.last or "the venue has not told yet what became of it"

    async def _guard(self, decision: Decision) -> Denied | None:
        forbidden = refusal(decision.kind, *await self._context.switches(decision.symbol))
        return Denied(OrderState.PLANNED, forbidden.reason) if forbidden else None

    async def _plan(
        self, decision: Decision, fraction: Decimal, entry_id: str, progress: _Progress
    ) -> Leg | Skip | None:
        """Size the next leg; a Skip when nothing can be sold (any more), None when the venue could not be asked."""
        context, symbol = self._context, decision.symbol
        begun = progress.begun or progress.suspect
        record = OrderRecord.read(await context.store.load(decision.id)) if begun else _BLANK
        try:
            position, published = await context.records.holding(context.user, context.venue.name, symbol)
        except MalformedMessageError as error:
            self._say_unreadable(decision, error)
            return None
        if position is None or position.size.amount == 0:
            return Skip(_NOTHING_HELD, ReasonCode.NOTHING_HELD)
        free = context.aside.sellable(decision, position.size, context.renames)
        if held_back := free < position.size:
            position = position.sold(position.size - free, context.clock())
        try:
            instrument = (await context.venue.instruments()).get(symbol)
            price = await self._price(symbol, published)
            spot = await progress.funds.look(context.venue, symbol.base)
        except VenueError as error:
            progress.last = str(error)
            return None
        if instrument is None or price is None:
            progress.last = f"{symbol} is not traded on {decision.venue} just now"
            with suppress(VenueError):
                await is_unlisted(context, symbol)
            return None
        has = progress.funds.has
        if record.target is None:
            close = size_exit(position, fraction, instrument, price, has=has)
        else:
            close = _rest(record, position.size, instrument, price, has)
        if isinstance(close, Skip) and held_back:
            raise Postponed
        if isinstance(close, Skip):
            return close
        rest = position.size - close.size
        progress.dust = rest if rest.amount > 0 and instrument.below_minimum(rest, price) else None
        target = record.filled + close.size.amount if record.target is None else record.target
        if (left := progress.funds.without_crumb(close.size, spot, instrument, price)) is not None:
            target -= (close.size - left).amount
            close = ExitSize(left, close.reason)
        limit = bound(price, instrument, context.policy.guards.exit_slippage_bps, record.leg, progress.refusals)
        return Leg(decision, entry_id, record.leg, close.size, limit, Quantity(target, symbol.base))

    def _say_unreadable(self, decision: Decision, error: MalformedMessageError) -> None:
        """Say that an exit waits because nobody knows how much is held; it sells nothing that Shoal may not have bought."""
        context, symbol = self._context, decision.symbol
        reason = f"the record cannot be read, and an exit waits for it: {error}"
        if context.faults.report(FaultKind.RECORD, reason, f"position {symbol}"):
            log.error(
                "an exit waits: the position cannot be read",
                signal_id=decision.signal_id,
                user=context.user,
                symbol=str(symbol),
                reason=str(error),
            )

    async def _price(self, symbol: Symbol, known: tuple[Price, int] | None) -> Price | None:
        """Give the present price: the shared feed's while it is fresh, else the venue's; an older one only if it has none."""
        context = self._context
        if known is not None and context.clock() - known[1] <= _FRESH_MS:
            return known[0]
        try:
            asked = (await context.venue.prices([symbol])).get(symbol)
        except VenueError:
            if known is None:
                raise
            asked = None
        return asked or (known[0] if known else None)

    async def _book(self, decision: Decision, entry_id: str, end: LegOutcome, progress: _Progress) -> bool:
        """Book how a leg ended; True if that was the end of the exit."""
        if isinstance(end, Executed):
            return await self._book_trade(decision, entry_id, end, progress)
        if isinstance(end, Denied):
            if end.outcome in TERMINAL:
                await settle(self._context, decision, entry_id, end.outcome, end.reason)  # acknowledges, no more
            return end.outcome in TERMINAL
        if isinstance(end, LegRejected):
            progress.last = end.words
            progress.refusals += 1
            if end.refusal is Refusal.FUNDS:
                progress.funds.refusals += 1
                self._context.account.refresh_soon()
            if end.sent_at is not None:
                await self._context.store.move(decision.id, OrderState.PLANNED, {"reason": end.words})
            log.warning(
                "exit refused; it will be tried again",
                signal_id=decision.signal_id,
                user=self._context.user,
                reason=end.words,
                tries=progress.tries,
            )
        elif isinstance(end, NotSent):
            progress.last = end.words
        return False

    async def _book_trade(self, decision: Decision, entry_id: str, end: Executed, progress: _Progress) -> bool:
        context, order = self._context, end.order
        record = OrderRecord.read(await context.store.load(decision.id))
        tally = record.tally(decision.symbol).plus(order)
        progress.sent_at, progress.accepted_at = end.sent_at, end.accepted_at
        progress.venue_order_id, progress.last = order.venue_order_id, describe(order)
        if record.target is not None and tally.filled.amount >= record.target:
            await settle(
                context,
                decision,
                entry_id,
                OrderState.FILLED,
                _told(order, record.leg, progress),
                tally=tally,
                traded=order,
                written_off=progress.funds.crumb,
                venue_order_id=order.venue_order_id,
                sent_at=end.sent_at,
                accepted_at=end.accepted_at,
            )
            return True
        if order.filled.amount or record.leg == 1:
            progress.tries = 0  # the bound was missed: the market follows at once
        next_leg = {"leg": str(record.leg + 1), "client_order_id": "", "venue_order_id": ""}
        await book_leg(context, decision, order, {**tally.fields(), **next_leg})
        return False

    async def _finish(self, decision: Decision, entry_id: str, reason: str, progress: _Progress) -> None:
        """End an exit of which no more can be sold: skipped if nothing was, partial if something was."""
        context = self._context
        record = OrderRecord.read(await context.store.load(decision.id))
        tally = record.tally(decision.symbol)
        outcome = OrderState.PARTIAL if tally.filled.amount else OrderState.SKIPPED
        if tally.filled.amount and record.target is None and reason == _NOTHING_HELD:
            outcome = OrderState.FILLED  # found at the venue after Redis forgot it, and nothing is left to sell
        position = await self._lowered(decision, progress)
        if position is not None:
            reason = f"{reason}; the account has less than was copied: its owner has sold or moved the rest"
        await settle(
            context,
            decision,
            entry_id,
            outcome,
            reason,
            tally=tally,
            position=position,
            venue_order_id=progress.venue_order_id,
            sent_at=progress.sent_at,
            accepted_at=progress.accepted_at,
        )

    async def _lowered(self, decision: Decision, progress: _Progress) -> PositionChange | None:
        """Take off the books what the account was found not to have, and no more: the venue's record wins."""
        context = self._context
        has = progress.funds.has
        if has is None:
            return None
        held = await context.records.position(context.user, context.venue.name, decision.symbol)
        if held is None or held.size <= has:
            return None
        left = held.sold(held.size - has, context.clock())
        return PositionChange(str(decision.symbol), write_position(left) if left.size.amount > 0 else None)


def _told(order: VenueOrder, legs: int, progress: _Progress) -> str:
    """Describe the last leg of an exit that has reached its aim, and what it leaves."""
    words = f"{describe(order)} in {legs} leg(s)" if legs > 1 else describe(order)
    if (crumb := progress.funds.crumb) is not None:
        words += f"; {crumb} is written off: the venue credited less than it had filled"
    return words if progress.dust is None else f"{words}; dust: {progress.dust} stays held, too little to sell"


def _rest(
    record: OrderRecord, held: Quantity, instrument: Instrument, price: Price, has: Quantity | None
) -> ExitSize | Skip:
    """Size what is left of an exit after its first leg: never above what is held now."""
    wanted = max((record.target or ZERO) - record.filled, ZERO)
    most = min(wanted, held.amount) if has is None else min(wanted, held.amount, has.amount)
    size = Quantity(most, held.asset).floored(instrument.lot_step)
    if missed := instrument.below_minimum(size, price):
        return Skip(f"dust: {missed} (the rest of an exit of {plain(record.target or ONE)})", ReasonCode.DUST)
    return ExitSize(size, f"the rest: {size}")
