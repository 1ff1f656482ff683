"""Resolves an order whose last send has no proven end: polls the venue until its answer is a proof.

"No such order" is a proof only after the order's deadline at the venue plus the time for which a fresh order can be invisible:
by the venue's clock, at the earliest it can show, and by a clock that does not step. The date of that same answer must not
contradict it. It is never believed of an order that the venue has named: the order was there, and trusting lists that lag would
send it twice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from shared.bus.errors import BusRefused
from shared.domain.order import TERMINAL, OrderState, leg_id
from shared.execution.attempt import Attempt
from shared.execution.conditions import Conditions
from shared.execution.leg import TrackedOrder
from shared.execution.operator_verdict import OperatorVerdict
from shared.execution.outcome import Denied, Executed, LegOutcome, NeverReceived
from shared.execution.record import OrderRecord
from shared.execution.replay import Replay
from shared.execution.resting import RestingWatch
from shared.execution.sender import Sender
from shared.execution.timing import SEARCH_SLACK_MS, SECOND
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import VenueOrder, VenueOrderStatus

_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX = 0.1, 2.0
"""Seconds between polls of an order whose id at the venue is known: one cheap lookup each."""
_FAILED_BACKOFF_MIN, _FAILED_BACKOFF_MAX = 1.0, 4.0
"""The same after a search by client order id that failed."""
_NEAR, _FAR = 5.0, 10.0
"""Seconds until an absence is a proof. A search costs several calls out of a small budget: when the
proof is near, the next search is the one that proves; otherwise there is one more halfway, after `_FAR` at most, since a
request on its way may have arrived."""
_TIMER: Final = 0.005
"""Seconds by which a timer may fire early: a search just before the proof would have to be repeated."""
_LOST_EVERY: Final = 30.0
"""Seconds between polls of an order that the venue has named and no longer shows: a lookup and a full search each."""
_LISTEN: Final = 0.5
"""Seconds between looks for an operator's verdict."""

log = structlog.get_logger()


async def resolve_leg(
    sender: Sender,
    order: TrackedOrder,
    number: int,
    conditions: Conditions | None = None,
    watch: RestingWatch | None = None,
) -> LegOutcome:
    """Follow leg `number` of an order to its end, by what was written ahead, or by its id alone where that was lost.

    `conditions`: what must hold for its request to be sent again, at a venue that replays; without them it is searched for only.
    `watch` is the caller's side of a leg that rests. Never returns NotSent or LegRejected. Raises LeaseLost, BusUnavailable.
    """
    record = OrderRecord.read(await sender.store.load(order.id))
    return await resolve_record(sender, order, number, record, conditions, watch=watch)


async def resolve_record(
    sender: Sender,
    order: TrackedOrder,
    number: int,
    record: OrderRecord,
    conditions: Conditions | None = None,
    *,
    watch: RestingWatch | None = None,
) -> LegOutcome:
    """Do the same by a record that was read, or written, just now."""
    if record.state in TERMINAL and record.state is not None:
        return Denied(record.state, "ended before")
    if not record.client_order_id:
        record = replace(
            record,
            id=order.id,
            symbol=str(order.symbol),
            side=order.side,
            client_order_id=leg_id(order.id, number),
            deadline_at=sender.clock.now() + sender.timing.order_life_ms,
        )
    if _never_left(sender, record):
        return await _plan_again(sender, order, NeverReceived("written ahead, but not sent"))
    found = await poll_until_final(sender, order, record, conditions, watch=watch)
    if isinstance(found, NeverReceived):
        return await _plan_again(sender, order, found)
    return found


async def _plan_again(sender: Sender, order: TrackedOrder, outcome: NeverReceived) -> NeverReceived:
    await sender.store.move(order.id, OrderState.PLANNED, {"reason": outcome.reason, "venue_order_id": ""})
    return outcome


async def poll_until_final(
    sender: Sender,
    order: TrackedOrder,
    record: OrderRecord,
    conditions: Conditions | None = None,
    *,
    watch: RestingWatch | None = None,
) -> Executed | NeverReceived:
    """Poll the venue for a leg until it has ended, or is proved never to have arrived.

    An operator who has looked at the venue may end the polling (`ops resolve`): the verdict in the record becomes the outcome.
    One that rests is looked at as often as its `watch` says.
    """
    poll = _Poll(sender, order, record, conditions, watch)
    try:
        return await poll.run()
    finally:
        poll.clear_lost()  # also when cancelled: the next owner reports what it finds


class _Poll:
    """The polling of one leg. `_lost`: the venue has named it and no longer shows it."""

    def __init__(
        self,
        sender: Sender,
        order: TrackedOrder,
        record: OrderRecord,
        conditions: Conditions | None,
        watch: RestingWatch | None,
    ) -> None:
        self._watch = watch
        self._replay = Replay(sender, record, conditions)
        self._sender = sender
        self._order = order
        self._record = record
        self._not_before = sender.clock.steady() + _steady_wait(sender, record)
        self._lost = False
        self._failure = ""

    async def run(self) -> Executed | NeverReceived:
        """Poll with growing pauses until an answer or an operator ends it."""
        sender = self._sender
        wait = pause = 0.0
        while True:
            if (verdict := await self._verdict_within(wait)) is not None:
                return self._by_hand(verdict)
            backoff = (
                (_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX)
                if self._record.venue_order_id
                else (_FAILED_BACKOFF_MIN, _FAILED_BACKOFF_MAX)
            )
            wait = pause = min(max(pause * 2, backoff[0]), backoff[1])
            asked_at, provable = sender.clock.now(), self._until_provable() < 0
            found = await self._ask(conclusive=provable)
            if isinstance(found, _LookupFailure):
                wait = max(wait, found.retry_after)
            elif found is None:
                provable = provable and self._until_provable() < 0  # the date of the answer may contradict it
                if provable and not self._record.venue_order_id:
                    return NeverReceived("the venue never had it")
                if provable:
                    self._report_lost()
                    wait = _LOST_EVERY
                elif not self._record.venue_order_id:
                    wait, pause = until_search(self._until_provable()), 0.0
            elif found.status is VenueOrderStatus.DONE:
                record = self._record
                return Executed(found, record.sent_at, record.accepted_at or found.opened_at, record)
            elif (soon := await self._still_open(found, asked_at)) is not None:
                wait, pause = soon, 0.0

    async def _still_open(self, found: VenueOrder, asked_at: int) -> float | None:
        """Handle an order that the venue shows and that has not ended; return the seconds until the next look if not as usual."""
        self.clear_lost()
        named = bool(self._record.venue_order_id)
        if not named:
            await self._name(found.venue_order_id, asked_at)
        await self._sender.hooks.still_open(self._record.id, found, asked_at)
        if self._watch is not None:
            return await self._watch.seen(found)
        return None if named else 0.0

    def _by_hand(self, verdict: OperatorVerdict) -> Executed | NeverReceived:
        order = verdict.as_order(self._record)
        if order is None:
            return NeverReceived(verdict.words)
        accepted_at = self._record.accepted_at or order.opened_at
        return Executed(order, self._record.sent_at, accepted_at, self._record, settled_by=verdict.by)

    async def _name(self, venue_order_id: str, asked_at: int) -> None:
        """Record the venue's id durably: the next process that asks must not take the order for absent."""
        self._record = replace(self._record, venue_order_id=venue_order_id)
        named = {
            **self._order.fields(),
            "leg": str(self._record.leg),
            "client_order_id": self._record.client_order_id,
            "venue_order_id": venue_order_id,
            "accepted_at": str(asked_at),
        }
        with suppress(ValueError, BusRefused):  # the record's state cannot be read: the order is followed all the same
            await self._sender.store.move(self._record.id, OrderState.ACCEPTED, named)

    def _report_lost(self) -> None:
        words = "the venue shows an order no more that it had named"
        log.error(words, order_id=self._record.id, user=self._sender.user)
        self._lost = True
        self._sender.hooks.lost(self._record.id, f"{words}; `ops resolve {self._record.id}` ends the asking")

    def clear_lost(self) -> None:
        """Clear the report of a lost order, if there is one."""
        if self._lost:
            self._lost = False
            self._sender.hooks.shown_again(self._record.id)

    def _until_provable(self) -> float:
        """Return the seconds until "no such order" is a proof; below zero when it is."""
        sender, record = self._sender, self._record
        by_the_venue = (record.deadline_at + sender.timing.visible_after_ms - sender.clock.earliest()) / SECOND
        attempt = sender.attempts.get(record.client_order_id)
        own = by_the_venue if attempt is None else attempt.provable_in(sender.clock, sender.timing)
        if attempt is not None and _is_of(record, attempt):
            return max(by_the_venue, own)
        # Another process sent it. An earlier attempt of this process counts as well.
        return max(by_the_venue, own, self._not_before - sender.clock.steady())

    async def _verdict_within(self, seconds: float) -> OperatorVerdict | None:
        """Wait, and go on waiting while the account is parked: its key must not be used. A verdict ends the wait."""
        sender = self._sender
        end = sender.clock.steady() + seconds
        while True:
            if (verdict := await self._verdict()) is not None:
                return verdict
            left = end - sender.clock.steady()
            if left > 0 and not (self._watch is not None and self._watch.take_nudge()):
                await sender.clock.sleep(min(left, _LISTEN))
            elif sender.account.ready:
                return None
            else:
                await sender.clock.sleep(_LISTEN)

    async def _verdict(self) -> OperatorVerdict | None:
        """Read an operator's verdict, which counts once the order can no longer arrive."""
        sender = self._sender
        if sender.clock.earliest() <= self._record.deadline_at:
            return None
        return OperatorVerdict.read(await sender.store.load(self._record.id))

    async def _ask(self, *, conclusive: bool) -> VenueOrder | _LookupFailure | None:
        try:
            return await self._look_up(conclusive=conclusive)
        except (Unavailable, OutcomeUnknown) as error:
            self._log_failure(error.words)
            return _LookupFailure(error.retry_after if isinstance(error, Unavailable) else 0.0)
        except Rejected as error:
            if error.refusal in KEY_REFUSALS:
                await self._sender.account.park(error.words, error.refusal)
            return _LookupFailure(0.0)

    def _log_failure(self, words: str) -> None:
        """Log why a lookup failed, once per reason: an outage fails those of every order."""
        if words != self._failure:
            log.warning("order not looked up", order_id=self._record.id, user=self._sender.user, reason=words)
        self._failure = words

    async def _look_up(self, *, conclusive: bool) -> VenueOrder | None:
        if self._replay.due(self._record):
            await self._send_again()
        venue, record = self._sender.venue, self._record
        if record.venue_order_id:
            if self._watch is not None and (listed := await self._watch.look(record.venue_order_id)) is not None:
                return listed
            try:
                return await venue.order(record.venue_order_id)
            except Rejected as error:
                if error.refusal is not Refusal.GONE:
                    raise
            if not conclusive:
                return None  # accepted but not listed yet: the expensive search can wait
        since = (record.sent_at or self._sender.clock.now()) - SEARCH_SLACK_MS
        return await venue.find(record.client_order_id, since=since if conclusive else None)

    async def _send_again(self) -> None:
        """Send the request again, and name the order by the answer."""
        asked_at = self._sender.clock.now()
        try:
            named = await self._replay.send()
        finally:
            self._record = self._replay.record  # its deadline has moved, whatever became of the request
        if named is not None:
            await self._name(named.venue_order_id, asked_at)


@dataclass(frozen=True, slots=True)
class _LookupFailure:
    retry_after: float
    """Seconds for which the venue asked for no calls."""


def until_search(provable_in: float) -> float:
    """Return the seconds until the next search for an order that the last one did not find."""
    return max(provable_in, 0.0) + _TIMER if provable_in <= _NEAR else min(provable_in / 2, _FAR)


def _never_left(sender: Sender, record: OrderRecord) -> bool:
    """Return whether this process wrote the record ahead but never had the answer (Redis was lost): nothing was sent."""
    attempt = sender.attempts.get(record.client_order_id)
    return (
        attempt is not None
        and not attempt.may_have_left
        and record.state is OrderState.SENDING
        and _is_of(record, attempt)
    )


def _is_of(record: OrderRecord, attempt: Attempt) -> bool:
    """Return whether a record is of this attempt: another process may have begun one since."""
    return (record.fence, record.sent_at) == (attempt.fence, attempt.sent_at)


def _steady_wait(sender: Sender, record: OrderRecord) -> float:
    """Return the seconds, by the steady clock alone, until the deadline of another process's send has passed at the venue.

    Where nonces void older requests, the take-over's own call has ended what had not reached the venue by then; a request that
    had, and every request at a venue without nonces, may be queued until its deadline.
    """
    timing = sender.timing
    until_deadline = min(record.deadline_at - sender.clock.earliest(), timing.furthest_deadline_ms)
    return (max(until_deadline, 0) + timing.visible_after_ms) / SECOND
