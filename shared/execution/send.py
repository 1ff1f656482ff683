"""Sends a leg once: lease, write-ahead, permit and bytes in one lane, then the venue's own record of how it ended.

Every step is recorded with everything that was sent, so that the next step restores a record that Redis lost in between. A lost
lease and a lost Redis pass through as exceptions: the next owner finds the write-ahead record.

It must never let a byte leave before the write-ahead was answered, nor send again what the venue may have received.
"""

from __future__ import annotations

from typing import Final

import structlog

from shared.bus.order.send_permit import SendPermit, SendRefusal, SwitchSet
from shared.domain.order import OrderState
from shared.execution.acceptance import Acceptance
from shared.execution.attempt import Attempt
from shared.execution.conditions import Conditions, StopSending
from shared.execution.following.resting import RestingWatch
from shared.execution.leg import Leg
from shared.execution.outcome import Denied, LegOutcome, LegRejected, NotSent
from shared.execution.record import OrderRecord
from shared.execution.resolution import resolve_leg, resolve_record
from shared.execution.sender import Sender
from shared.execution.timing import LEASE_NEEDED
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import OrderRequest, Outgoing

_LATE_EVERY: Final = 10.0
"""Seconds between log lines about late orders of one account."""

log = structlog.get_logger()


class _AlreadyBegunError(Exception):
    pass


async def send_once(
    sender: Sender,
    leg: Leg,
    conditions: Conditions,
    watch: RestingWatch | None = None,
    *,
    records_end: bool = False,
) -> LegOutcome:
    """Send a leg once and follow it to its end. Raises LeaseLost, BusUnavailable, and what the guard raises.

    `watch` is the caller's side of a leg that rests. `records_end`: the caller records `Executed.acceptance` with the end, so
    that an order that ends at once is written twice, not three times.
    """
    sending = _LegSend(sender, leg, conditions, watch, records_end=records_end)
    try:
        accepted = await sender.venue.place(sending.request, sending.begin)
    except StopSending as stop:
        return stop.outcome
    except _AlreadyBegunError:
        log.warning("order had been begun before: asking the venue", signal_id=leg.order.signal_id, user=sender.user)
        return await resolve_leg(sender, leg.order, leg.number, conditions, watch)
    except Unavailable as error:
        return await sending.not_sent(error.words, error.retry_after)
    except Rejected as error:
        return await sending.rejected(error)
    except OutcomeUnknown as error:
        return await sending.unknown(error.words)
    sender.hooks.replied()
    return await sending.accepted(accepted.venue_order_id)


def request_of(sender: Sender, leg: Leg, conditions: Conditions) -> OrderRequest:
    """Return the order that a leg is at the venue, if its send begins now."""
    return OrderRequest(
        client_order_id=leg.client_order_id,
        symbol=leg.order.symbol,
        side=leg.order.side,
        size=leg.size,
        limit_price=leg.limit_price,
        deadline_at=sender.clock.now() + sender.patience_ms,
        latest_at=conditions.latest_at,
        rests=leg.rests,
        post_only=leg.post_only,
        stop_price=leg.stop_price,
    )


class _LegSend:
    """One send of a leg. `_intent` is what was written ahead; every later step records it again."""

    def __init__(
        self, sender: Sender, leg: Leg, conditions: Conditions, watch: RestingWatch | None, *, records_end: bool
    ) -> None:
        self._sender = sender
        self._records_end = records_end and leg.number == 1 and not leg.rests
        self._watch = watch
        self._leg = leg
        self._conditions = conditions
        self._intent: dict[str, str] = {}
        self._id = leg.order.id
        self.request = request_of(sender, leg, conditions)

    async def begin(self, outgoing: Outgoing) -> int:
        """Call the guard, check the lease, write ahead: inside the lane, with the deadline that the venue is given."""
        sender = self._sender
        if (stop := await self._conditions.guard()) is not None:
            raise StopSending(stop)
        sender.lease.require(LEASE_NEEDED)
        attempt = Attempt.begin(sender.clock, sender.timing, outgoing.deadline_at, str(sender.lease.token))
        client_id = self.request.client_order_id
        earlier = sender.attempts.get(client_id)
        sender.attempts[client_id] = attempt
        self._intent = OrderRecord.intent(self._leg, self.request, outgoing, sent_at=attempt.sent_at)
        try:
            begun = await self._begin()
        except StopSending:  # by a switch: nothing was written
            del sender.attempts[client_id]
            if earlier is not None:
                sender.attempts[client_id] = earlier
            raise
        attempt.may_have_left = True
        if isinstance(begun, SendRefusal):
            if begun.terminal:
                raise StopSending(Denied(begun.state, "ended before"))
            raise _AlreadyBegunError
        sender.hooks.written_ahead(self._id)
        return begun.nonce

    async def _begin(self) -> SendPermit | SendRefusal:
        store, permit = self._sender.store, self._sender.permit
        if (switches := self._conditions.switches) is not None:
            begun = await store.begin(self._id, permit, self._intent, switches.keys)
            if not isinstance(begun, SwitchSet):
                return begun
            if (stop := await switches.judge()) is not None:
                raise StopSending(stop)
        begun = await store.begin(self._id, permit, self._intent)
        if isinstance(begun, SwitchSet):
            raise TypeError("no switch was asked about")
        return begun

    async def accepted(self, venue_order_id: str) -> LegOutcome:
        """Record that the venue accepted it, and find out what filled."""
        sender, leg = self._sender, self._leg
        at = sender.clock.now()
        sender.attempts[self.request.client_order_id].venue_order_id = venue_order_id
        await sender.hooks.before_bookkeeping()
        fields = {**self._intent, "venue_order_id": venue_order_id, "accepted_at": str(at)}
        acceptance = Acceptance(sender.store, self._id, fields, note_price=self._is_compared)
        if not self._records_end:
            await acceptance.record()
        if leg.number > 1:  # only the record has the totals of the legs before it
            return await self._resolve()
        written = OrderRecord.accepted(leg, self.request, self._intent, sender.lease.token, venue_order_id, at)
        return await resolve_record(sender, leg.order, leg.number, written, resting=self._watch, acceptance=acceptance)

    async def unknown(self, words: str) -> LegOutcome:
        """Record that it may have been received, and poll until the outcome is proved."""
        log.warning(
            "outcome unknown: asking the venue",
            signal_id=self._leg.order.signal_id,
            order_id=self._id,
            user=self._sender.user,
            reason=words,
        )
        await self._move(OrderState.UNKNOWN, {"reason": words})
        return await self._resolve()

    async def not_sent(self, words: str, retry_after: float) -> LegOutcome:
        """Record that nothing was processed: the leg may be sent again."""
        if self._intent:
            await self._move(OrderState.PLANNED, {"reason": words})
        return NotSent(words, retry_after)

    async def rejected(self, error: Rejected) -> LegOutcome:
        """Return what a refusal means; that depends on its family."""
        if error.refusal is Refusal.DUPLICATE:
            return await self.unknown(error.words)
        if error.refusal is Refusal.DEADLINE:
            self._log_late(error.words)
            return await self.not_sent(error.words, 0.0)
        if error.refusal in KEY_REFUSALS:
            await self._sender.account.park(error.words, error.refusal)
        sent_at = int(self._intent["sent_at"]) if self._intent else None
        return LegRejected(error.words, error.refusal, sent_at)

    def _log_late(self, words: str) -> None:
        """Log late orders, now and then: a few mean a slow network, many a wrong clock or a venue that stalls."""
        sender = self._sender
        if (now := sender.clock.steady()) < sender.late_logged_until:
            return
        sender.late_logged_until = now + _LATE_EVERY
        log.warning(
            "the order came after its deadline and was not carried out; it is tried again while it may be",
            signal_id=self._leg.order.signal_id,
            user=sender.user,
            reason=words,
            deadline_at=self._intent.get("deadline_at", ""),
            venue_time=sender.clock.now(),
        )

    async def _resolve(self) -> LegOutcome:
        return await resolve_leg(self._sender, self._leg.order, self._leg.number, self._conditions, self._watch)

    @property
    def _is_compared(self) -> bool:
        """Return whether the price of now says how far the market has moved since the master's fill.

        It does for the first leg of a copy that takes what is offered: one that rests waits for a price of its own.
        """
        return bool(self._leg.order.signal_id) and self._leg.number == 1 and not self._leg.rests

    async def _move(self, state: OrderState, fields: dict[str, str]) -> None:
        await self._sender.store.move(self._id, state, {**self._intent, **fields})
