"""Finds out what became of an order whose last send has no proven end, by asking the venue until its answer proves something.

"No such order" is believed only when the order's own deadline at the venue and the time in which a fresh order can be invisible
have both passed: by the venue's clock, at the least that it can show, and by a clock that does not step. What the very answer
tells of the venue's time must not speak against it. It is never believed of an order that the venue has named: that one was
there, and to believe lists that are behind would be to send it twice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from shared.bus.errors import BusRefused
from shared.domain.order import TERMINAL, OrderState, leg_id
from shared.execution.attempt import Attempt
from shared.execution.leg import TrackedOrder
from shared.execution.operator_verdict import OperatorVerdict
from shared.execution.outcome import Denied, Executed, LegOutcome, NeverReceived
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.execution.timing import SEARCH_SLACK_MS, SECOND, VENUE_TIMEOUT
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import VenueOrder, VenueOrderStatus

_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX = 0.1, 2.0
"""Seconds between questions about an order that the venue has named: one cheap lookup each."""
_FAILED_BACKOFF_MIN, _FAILED_BACKOFF_MAX = 1.0, 4.0
"""The same after a search that failed."""
_NEAR, _FAR = 5.0, 10.0
"""Seconds until an absence is a proof. A search costs several dear lookups out of a small budget: when the proof is near, the
next one is made then; else one more halfway, after `_FAR` at most, since what was on its way may have arrived."""
_TIMER: Final = 0.005
"""Seconds by which a timer may be early: a search that is no proof yet would have to be made twice."""
_LOST_EVERY: Final = 30.0
"""Seconds between questions about an order that the venue has named and shows no more: a question and a whole search each."""
_LISTEN: Final = 0.5
"""Seconds between looks for an operator's verdict."""

log = structlog.get_logger()


async def resolve_leg(sender: Sender, order: TrackedOrder, number: int) -> LegOutcome:
    """Follow leg `number` of an order to its end, by what was written ahead, or by its id alone where that was lost.

    Never answers NotSent or LegRejected. Raises LeaseLost, BusUnavailable.
    """
    record = OrderRecord.read(await sender.store.load(order.id))
    return await resolve_record(sender, order, number, record)


async def resolve_record(sender: Sender, order: TrackedOrder, number: int, record: OrderRecord) -> LegOutcome:
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
            deadline_at=sender.clock.now() + int(VENUE_TIMEOUT * SECOND),
        )
    if _never_left(sender, record):
        return await _plan_again(sender, order, NeverReceived("written ahead, but not sent"))
    found = await poll_until_final(sender, record)
    if isinstance(found, NeverReceived):
        return await _plan_again(sender, order, found)
    return found


async def _plan_again(sender: Sender, order: TrackedOrder, outcome: NeverReceived) -> NeverReceived:
    await sender.store.move(order.id, OrderState.PLANNED, {"reason": outcome.reason, "venue_order_id": ""})
    return outcome


async def poll_until_final(sender: Sender, record: OrderRecord) -> Executed | NeverReceived:
    """Ask the venue for the record of an order until it has ended, or is proved never to have arrived.

    An operator who has looked at the venue may end the asking (`ops resolve`); their word stands in the record and goes into the
    report.
    """
    polling = _Polling(sender, record)
    try:
        return await polling.run()
    finally:
        if polling.lost:
            sender.hooks.shown_again(record.id)


class _Polling:
    """The questions about one order. `lost`: the venue has named it and shows it no more."""

    def __init__(self, sender: Sender, record: OrderRecord) -> None:
        self._sender = sender
        self._record = record
        self._not_before = sender.clock.steady() + _steady_wait(sender, record)
        self.lost = False
        self._failure = ""

    async def run(self) -> Executed | NeverReceived:
        """Ask, with pauses that grow, until an answer or an operator ends it."""
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
            if isinstance(found, _Failed):
                wait = max(wait, found.retry_after)
            elif found is None:
                provable = provable and self._until_provable() < 0  # its date may speak against it
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
            else:
                if not self._record.venue_order_id:
                    await self._name(found.venue_order_id, asked_at)
                    wait = pause = 0.0
                await sender.hooks.still_open(self._record.id, found, asked_at)

    def _by_hand(self, verdict: OperatorVerdict) -> Executed | NeverReceived:
        order = verdict.as_order(self._record)
        if order is None:
            return NeverReceived(verdict.words)
        accepted_at = self._record.accepted_at or order.opened_at
        return Executed(order, self._record.sent_at, accepted_at, self._record, settled_by=verdict.by)

    async def _name(self, venue_order_id: str, asked_at: int) -> None:
        """Note durably what the venue calls it: whoever asks next must not take it for absent."""
        self._record = replace(self._record, venue_order_id=venue_order_id)
        fields = {"venue_order_id": venue_order_id, "accepted_at": str(asked_at)}
        with suppress(ValueError, BusRefused):  # a damaged record must not end the asking
            await self._sender.store.move(self._record.id, OrderState.ACCEPTED, fields)

    def _report_lost(self) -> None:
        words = "the venue shows an order no more that it had named"
        log.error(words, order_id=self._record.id, user=self._sender.user)
        self.lost = True
        self._sender.hooks.lost(self._record.id, f"{words}; `ops resolve {self._record.id}` ends the asking")

    def _until_provable(self) -> float:
        """Return the seconds until an absence that the venue tells is a proof; below zero when it is."""
        sender, record = self._sender, self._record
        by_the_venue = (record.deadline_at + sender.timing.visible_after_ms - sender.clock.earliest()) / SECOND
        attempt = sender.attempts.get(record.client_order_id)
        own = by_the_venue if attempt is None else attempt.provable_in(sender.clock, sender.timing)
        if attempt is not None and _is_of(record, attempt):
            return max(by_the_venue, own)
        # Another process sent it. If this one has sent the same before, that counts as well.
        return max(by_the_venue, own, self._not_before - sender.clock.steady())

    async def _verdict_within(self, seconds: float) -> OperatorVerdict | None:
        """Wait so long, and while the account is parked: then it must not be asked. A verdict ends the waiting."""
        sender = self._sender
        end = sender.clock.steady() + seconds
        while True:
            if (verdict := await self._verdict()) is not None:
                return verdict
            left = end - sender.clock.steady()
            if left > 0:
                await sender.clock.sleep(min(left, _LISTEN))
            elif sender.account.ready:
                return None
            else:
                await sender.clock.sleep(_LISTEN)

    async def _verdict(self) -> OperatorVerdict | None:
        """Read an operator's verdict, which counts once the order cannot arrive any more."""
        sender = self._sender
        if sender.clock.earliest() <= self._record.deadline_at:
            return None
        return OperatorVerdict.read(await sender.store.load(self._record.id))

    async def _ask(self, *, conclusive: bool) -> VenueOrder | _Failed | None:
        try:
            return await self._look_up(conclusive=conclusive)
        except (Unavailable, OutcomeUnknown) as error:
            self._log_failure(error.words)
            return _Failed(error.retry_after if isinstance(error, Unavailable) else 0.0)
        except Rejected as error:
            if error.refusal in KEY_REFUSALS:
                await self._sender.account.park(error.words, error.refusal)
            return _Failed(0.0)

    def _log_failure(self, words: str) -> None:
        """Log why the venue gives no answer, once until the reason changes: an outage concerns every order."""
        if words != self._failure:
            log.warning("order not looked up", order_id=self._record.id, user=self._sender.user, reason=words)
        self._failure = words

    async def _look_up(self, *, conclusive: bool) -> VenueOrder | None:
        venue, record = self._sender.venue, self._record
        if record.venue_order_id:
            try:
                return await venue.order(record.venue_order_id)
            except Rejected as error:
                if error.refusal is not Refusal.GONE:
                    raise
            if not conclusive:
                return None  # taken but not listed yet: the dear search can wait
        since = (record.sent_at or self._sender.clock.now()) - SEARCH_SLACK_MS
        return await venue.find(record.client_order_id, since=since if conclusive else None)


@dataclass(frozen=True, slots=True)
class _Failed:
    retry_after: float
    """Seconds for which the venue wants to hear nothing."""


def until_search(provable_in: float) -> float:
    """Return the seconds until the next search for an order that the last one has not found."""
    return max(provable_in, 0.0) + _TIMER if provable_in <= _NEAR else min(provable_in / 2, _FAR)


def _never_left(sender: Sender, record: OrderRecord) -> bool:
    """Return whether this process wrote the record ahead and broke off before it knew so: then nothing was sent.

    As when Redis was lost in that moment.
    """
    attempt = sender.attempts.get(record.client_order_id)
    return (
        attempt is not None
        and not attempt.may_have_left
        and record.state is OrderState.SENDING
        and _is_of(record, attempt)
    )


def _is_of(record: OrderRecord, attempt: Attempt) -> bool:
    """Return whether a record is of that very attempt: another process may have begun one since."""
    return (record.fence, record.sent_at) == (attempt.fence, attempt.sent_at)


def _steady_wait(sender: Sender, record: OrderRecord) -> float:
    """Return the seconds, by the steady clock alone, until the deadline of another process's send is over at the venue.

    The take-over's own call has voided what had not reached the venue by then; what had, waits there for its deadline.
    """
    timing = sender.timing
    until_deadline = min(record.deadline_at - sender.clock.earliest(), timing.furthest_deadline_ms)
    return (max(until_deadline, 0) + timing.visible_after_ms) / SECOND
