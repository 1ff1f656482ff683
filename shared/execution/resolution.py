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
from shared.execution.acceptance import Acceptance
from shared.execution.conditions import Conditions
from shared.execution.following.absence import Absence, never_left, until_search
from shared.execution.following.replay import Replay
from shared.execution.following.resting import RestingWatch
from shared.execution.following.stream_watch import PATIENCE, REST_BETWEEN, StreamWatch
from shared.execution.leg import TrackedOrder
from shared.execution.operator_verdict import OperatorVerdict
from shared.execution.outcome import Denied, Executed, LegOutcome, NeverReceived
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.execution.timing import SEARCH_SLACK_MS
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import VenueOrder, VenueOrderStatus

_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX = 0.1, 2.0
"""Seconds between polls of an order whose id at the venue is known: one cheap lookup each."""
_FAILED_BACKOFF_MIN, _FAILED_BACKOFF_MAX = 1.0, 4.0
"""The same after a search by client order id that failed."""
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
    resting: RestingWatch | None = None,
) -> LegOutcome:
    """Follow leg `number` of an order to its end, by what was written ahead, or by its id alone where that was lost.

    `conditions`: what must hold for its request to be sent again, at a venue that replays; without them it is searched for only.
    `resting` is the caller's side of a leg that rests. Never returns NotSent or LegRejected. Raises LeaseLost, BusUnavailable.
    """
    record = OrderRecord.read(await sender.store.load(order.id))
    return await resolve_record(sender, order, number, record, conditions, resting=resting)


async def resolve_record(
    sender: Sender,
    order: TrackedOrder,
    number: int,
    record: OrderRecord,
    conditions: Conditions | None = None,
    *,
    resting: RestingWatch | None = None,
    acceptance: Acceptance | None = None,
) -> LegOutcome:
    """Do the same by a record that was read, or written, just now; `acceptance` if that is not recorded yet."""
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
    if never_left(sender, record):
        return await _plan_again(sender, order, NeverReceived("written ahead, but not sent"))
    found = await poll_until_final(sender, order, record, conditions, resting=resting, acceptance=acceptance)
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
    resting: RestingWatch | None = None,
    acceptance: Acceptance | None = None,
) -> Executed | NeverReceived:
    """Poll the venue for a leg until it has ended, or is proved never to have arrived.

    An operator who has looked at the venue may end the polling (`ops resolve`): the verdict in the record becomes the outcome.
    One that rests is looked at as often as `resting` says. An `acceptance` that is not recorded yet is recorded as soon as the
    first look does not end the order.
    """
    attempt = sender.attempts.get(record.client_order_id)
    if not record.venue_order_id and attempt is not None and attempt.venue_order_id:
        record = replace(record, venue_order_id=attempt.venue_order_id)
    poll = _Poll(sender, order, record, conditions, resting, acceptance)
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
        resting: RestingWatch | None,
        acceptance: Acceptance | None,
    ) -> None:
        self._resting = resting
        self._acceptance = acceptance
        self._replay = Replay(sender, record, conditions)
        self._sender = sender
        self._order = order
        self._record = record
        self._absence = Absence(sender, record)
        self._watch = StreamWatch(sender, order, record)
        self._lost = False
        self._failure = ""
        self._wait = self._pause = 0.0

    async def run(self) -> Executed | NeverReceived:
        """Poll with growing pauses until the stream, an answer or an operator ends it."""
        self._wait = self._first_wait()
        while True:
            news = await self._news_within(self._wait)
            if isinstance(news, OperatorVerdict):
                return self._by_hand(news)
            ended = await self._ask_venue() if news is None else self._executed(news)
            if ended is not None:
                return ended
            await self._record_acceptance()

    async def _ask_venue(self) -> Executed | NeverReceived | None:
        """Ask once; return the end, or None after setting the wait until the next time."""
        sender = self._sender
        least, most = (
            (_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX)
            if self._record.venue_order_id
            else (_FAILED_BACKOFF_MIN, _FAILED_BACKOFF_MAX)
        )
        self._wait = self._pause = min(max(self._pause * 2, least), most)
        asked_at, asked_steady = sender.clock.now(), sender.clock.steady()
        provable = self._absence.provable_in(self._record) < 0
        found = await self._ask(conclusive=provable)
        if isinstance(found, _LookupFailure):
            self._wait = max(self._wait, found.retry_after)
        elif found is None:
            return self._not_found(provable=provable)
        elif found.status is VenueOrderStatus.DONE:
            if self._awaits_stream() and self._resting is None:  # one that rests is looked at while it ends
                self._watch.missed(found.venue_order_id)
            return self._executed(found)
        else:
            self.clear_lost()
            if not self._record.venue_order_id:
                await self._name(found.venue_order_id, asked_at)
                self._wait = self._pause = 0.0
            self._watch.shown_open(asked_steady)
            if self._awaits_stream():
                self._wait = REST_BETWEEN
            await sender.hooks.still_open(self._record.id, found, asked_at)
            if self._resting is not None:
                self._wait, self._pause = await self._resting.seen(found), 0.0
        return None

    def _not_found(self, *, provable: bool) -> NeverReceived | None:
        """Judge an answer without the order; the date of that answer may contradict that it is a proof."""
        left = self._absence.provable_in(self._record)
        provable = provable and left < 0
        if provable and not self._record.venue_order_id and not self._watch.shown:
            return NeverReceived("the venue never had it")
        if provable:  # it was there: the venue has named it, or its stream has shown it
            self._report_lost()
            self._wait = _LOST_EVERY
        elif not self._record.venue_order_id:
            self._wait, self._pause = until_search(left), 0.0
        return None

    def _first_wait(self) -> float:
        """Return how long the stream is awaited before the venue is asked for the first time.

        Not at all where the question is to send the request again: the order may not have been received, and gets older.
        """
        if not self._record.venue_order_id and self._replay.due(self._record):
            return 0.0
        if self._resting is not None:
            return 0.0  # its symbol waits until it is known to be open
        return PATIENCE if self._awaits_stream() else 0.0

    def _awaits_stream(self) -> bool:
        return self._watch.covered(self._record.venue_order_id)

    def _executed(self, found: VenueOrder) -> Executed:
        record, acceptance = self._record, self._acceptance
        unrecorded = None if acceptance is None or acceptance.recorded else acceptance
        return Executed(found, record.sent_at, record.accepted_at or found.opened_at, record, acceptance=unrecorded)

    async def _record_acceptance(self) -> None:
        if self._acceptance is not None:
            await self._acceptance.record()

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

    async def _news_within(self, seconds: float) -> OperatorVerdict | VenueOrder | None:
        """Wait, and go on waiting while the account is parked: its key must not be used.

        A verdict, or the end of the order as the stream shows it, ends the wait; a doubt about the stream ends a wait for it.
        """
        sender = self._sender
        end = sender.clock.steady() + seconds
        awaited = self._awaits_stream()
        while True:
            if (shown := await self._shown()) is not None:
                return shown
            if (verdict := await self._verdict()) is not None:
                return verdict
            left = end - sender.clock.steady()
            if awaited and not self._awaits_stream():
                left = 0.0
            if self._resting is not None and self._resting.take_nudge():
                left = 0.0
            if left > 0:
                await self._watch.wait(self._record.venue_order_id, min(left, _LISTEN))
            elif sender.account.ready:
                if seconds:
                    await (
                        self._record_acceptance()
                    )  # the stream has not shown the end: the venue is asked, which takes long
                return None
            else:
                await self._record_acceptance()
                await self._watch.wait(self._record.venue_order_id, _LISTEN)

    async def _shown(self) -> VenueOrder | None:
        """Return the end of the order as the stream shows it; an order that it shows open under our id is named by it."""
        if (end := self._watch.end(self._record.venue_order_id)) is not None:
            return end
        if not self._record.venue_order_id and (named := self._watch.named()):
            await self._name(named, self._sender.clock.now())
        return None

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
            if self._resting is not None and (open_ := await self._resting.look(record.venue_order_id)) is not None:
                return open_
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
