"""One leg: a single order at the venue, from the write-ahead to the venue's own record of how it ended.

A leg ends in one of five ways, and the caller decides what follows:

    Executed    the venue's record says what filled (perhaps nothing)
    NeverReceived    the venue has been asked late enough: it never had the order; the same leg may be sent again
    LegRejected   the venue said no, definitely
    NotSent   nothing was processed; the same leg may be sent again
    Denied   our own guard stopped it before anything was sent

Every step is recorded with everything that was sent, so that a record which Redis loses in between is whole again with the next
step. Lost leases and a lost Redis pass through as exceptions: then the next owner finds the write-ahead record.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.executor.account.context import LEASE_NEEDED, AccountContext, Sent
from services.executor.account.keeper import PARKING
from shared.bus.orders import SendRefusal
from shared.bus.streams import entry_ms
from shared.domain.order import Decision, Kind, OrderState, leg_id
from shared.domain.values.money import ONE, ZERO, plain
from shared.execution.outcome import Denied, Executed, LegOutcome, LegRejected, NeverReceived, NotSent
from shared.execution.record import Leg, OrderRecord
from shared.execution.resolution import find_out, resume
from shared.execution.timing import LANE_PATIENCE_MS
from shared.runtime.crash_points import CrashPoint
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import OrderRequest, VenueOrder, VenueOrderStatus

__all__ = ["Denied", "Executed", "Guard", "LegOutcome", "LegRejected", "NeverReceived", "NotSent", "recall", "trade"]

Guard = Callable[[], Awaitable[Denied | None]]
"""Asked inside the lane, right before the write-ahead."""
_LEGS_FORGOTTEN: Final = 10
"""How many legs of an exit a Redis that lost its last second may have forgotten, those that traded nothing included."""
_LATE_EVERY: Final = 10.0
"""Seconds between lines about orders of one account that came too late."""

log = structlog.get_logger()


class _StopSending(Exception):  # noqa: N818  # control flow out of the lane, not an error
    def __init__(self, end: Denied) -> None:
        super().__init__(end.reason)
        self.end = end


class _AlreadyBegunError(Exception):
    pass


async def trade(context: AccountContext, leg: Leg, guard: Guard) -> LegOutcome:
    """Send a leg once and follow it to its end."""
    sending = _Sending(context, leg, guard)
    try:
        accepted = await context.venue.place(sending.request, sending.begin)
    except _StopSending as stop:
        return stop.end
    except _AlreadyBegunError:
        log.warning(
            "order had been begun before: asking the venue", signal_id=leg.decision.signal_id, user=context.user
        )
        return await resume(context, leg.decision, leg.number)
    except Unavailable as error:
        return await sending.not_sent(error.words, error.retry_after)
    except Rejected as error:
        return await sending.refused(error)
    except OutcomeUnknown as error:
        return await sending.unknown(error.words)
    context.crash_points.hit(CrashPoint.EXECUTOR_AFTER_REPLY)
    return await sending.accepted(accepted.venue_order_id)


class _Sending:
    """One attempt to send a leg. `_intent` is what was written ahead, and goes along with every later step."""

    def __init__(self, context: AccountContext, leg: Leg, guard: Guard) -> None:
        self._context = context
        self._leg = leg
        self._guard = guard
        self._intent: dict[str, str] = {}
        decision = leg.decision
        self._id = decision.id
        self.request = OrderRequest(
            client_order_id=leg_id(decision.id, leg.number),
            symbol=decision.symbol,
            side=decision.side,
            size=leg.size,
            limit_price=leg.limit_price,
            deadline_at=context.clock() + LANE_PATIENCE_MS,
        )

    async def begin(self, deadline_at: int) -> int:
        """Ask the guard, check the lease, write ahead: in the lane, with the very deadline that the venue is told."""
        context = self._context
        if (stop := await self._guard()) is not None:
            raise _StopSending(stop)
        context.lease.require(LEASE_NEEDED)
        sent = Sent.now(context.clock, deadline_at, str(context.lease.token))
        context.begun[self.request.client_order_id] = sent
        self._intent = OrderRecord.intent(self._leg, self.request, sent_at=sent.at, deadline_at=deadline_at)
        begun = await context.store.begin(self._id, context.nonces, self._intent)
        sent.left = True
        if isinstance(begun, SendRefusal):
            if begun.terminal:
                raise _StopSending(Denied(begun.state, "ended before"))
            raise _AlreadyBegunError
        context.crash_points.hit(CrashPoint.EXECUTOR_AFTER_WRITE_AHEAD)
        context.priority.release(self._id)
        return begun.nonce

    async def accepted(self, venue_order_id: str) -> LegOutcome:
        """The venue took it; ask what filled."""
        fields = {"venue_order_id": venue_order_id, "accepted_at": str(self._context.clock())}
        await self._context.priority.yield_to_sends()
        await self._move(OrderState.ACCEPTED, fields)
        return await resume(self._context, self._leg.decision, self._leg.number)

    async def unknown(self, words: str) -> LegOutcome:
        """Nobody knows; ask until something is proved."""
        decision = self._leg.decision
        log.warning(
            "outcome unknown: asking the venue", signal_id=decision.signal_id, user=self._context.user, reason=words
        )
        await self._move(OrderState.UNKNOWN, {"reason": words})
        return await resume(self._context, decision, self._leg.number)

    async def not_sent(self, words: str, retry_after: float) -> LegOutcome:
        """Nothing was processed."""
        if self._intent:
            await self._move(OrderState.PLANNED, {"reason": words})
        return NotSent(words, retry_after)

    async def refused(self, error: Rejected) -> LegOutcome:
        """The venue refused; what that means depends on the family."""
        if error.refusal is Refusal.DUPLICATE:
            return await self.unknown(error.words)
        if error.refusal is Refusal.DEADLINE:
            self._tell_late(error.words)
            return await self.not_sent(error.words, 0.0)
        if error.refusal in PARKING:
            await self._context.account.park(error.words, error.refusal)
        sent_at = int(self._intent["sent_at"]) if self._intent else None
        return LegRejected(error.words, error.refusal, sent_at)

    def _tell_late(self, words: str) -> None:
        """Say now and then that an order came too late: one or two mean a slow network, many a clock or a venue that stalls."""
        if (now := time.monotonic()) < self._context.late_told_until:
            return
        self._context.late_told_until = now + _LATE_EVERY
        log.warning(
            "the order came after its deadline and was not carried out; it is tried again while it may be",
            signal_id=self._leg.decision.signal_id,
            user=self._context.user,
            reason=words,
            deadline_at=self._intent.get("deadline_at", ""),
            venue_time=self._context.clock(),
        )

    async def _move(self, state: OrderState, fields: dict[str, str]) -> None:
        await self._context.store.move(self._id, state, {**self._intent, **fields})


async def recall(context: AccountContext, decision: Decision, entry_id: str, number: int) -> bool:
    """Look in the venue's list for a leg that Redis may have forgotten; if it is there, write its record anew and answer True.

    Filled or not: an order that ended with nothing has ended all the same, and its id is not sent again. Later legs are looked
    for too: Redis may have forgotten several at once. False is a proof that none was ever accepted. Waits while the account is
    parked.
    """
    last = number if decision.kind is Kind.ENTRY else number + _LEGS_FORGOTTEN
    found = [
        (leg, order)
        for leg in range(number, last + 1)
        if (order := await _remembered(context, decision, entry_id, leg))
    ]
    if not found:
        return False
    log.warning("the venue knows an order that Redis forgot", signal_id=decision.signal_id, user=context.user)
    leg, order = found[0]
    fields = OrderRecord.found(decision, entry_id, leg, order)
    full_close = decision.copy is not None and decision.copy.fraction == ONE
    traded = sum((order.filled.amount for _, order in found), ZERO)
    if traded and not full_close and OrderRecord.read(await context.store.load(decision.id)).target is None:
        # What it was to trade is forgotten too; what all its legs traded stands for it. Where nothing was, it is all to be done.
        fields["target"] = plain(traded)
    await context.store.move(decision.id, OrderState.UNKNOWN, fields)
    return True


async def _remembered(context: AccountContext, decision: Decision, entry_id: str, number: int) -> VenueOrder | None:
    """Give a leg as it ended: what one that is still open has traded so far says nothing of what the whole order is to trade."""
    client_id = leg_id(decision.id, number)
    sent = context.begun.get(client_id)
    begun = sent if sent is not None and sent.left else None  # what has not left, the list need not wait for
    # The instant of the signal is what somebody wrote; that of the entry is the clock of Redis. The list begins before both.
    decided_at = min(entry_ms(entry_id), decision.signal_at) if entry_id else decision.signal_at
    order = await context.history.find(client_id, decided_at=decided_at, begun=begun)
    if order is None or order.status is VenueOrderStatus.DONE:
        return order
    record = OrderRecord.read(OrderRecord.found(decision, entry_id, number, order))
    return await find_out(context, record) or order
