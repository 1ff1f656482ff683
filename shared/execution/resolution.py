"""Finds out what became of an order whose last send has no proven end, by asking the venue until its answer proves something.

"No such order" is believed only when the order's own deadline at the venue and the time in which a fresh order can be invisible
have both passed: by the venue's clock, at the least that it can show, and by a clock that does not step. What the very answer
tells of the venue's time must not speak against it. It is never believed of an order that the venue has named: that one was
there, and to believe lists that are behind would be to send it twice.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final

import structlog

from services.executor.account.context import AccountContext, Sent
from services.executor.account.keeper import PARKING
from shared.domain.order import TERMINAL, Decision, OrderState, leg_id
from shared.execution.operator_verdict import Verdict
from shared.execution.outcome import Denied, Executed, LegOutcome, NeverReceived
from shared.execution.record import OrderRecord
from shared.execution.timing import VENUE_TIMEOUT, VISIBLE_AFTER_MS
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import VenueOrder, VenueOrderStatus

_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX = 0.1, 2.0
"""Seconds between questions about an order that the venue has named: one cheap lookup each."""
_FAILED_FIRST, _FAILED_MOST = 1.0, 4.0
"""The same after a search that failed."""
_NEAR, _FAR = 5.0, 10.0
"""Seconds until an absence is a proof. A search costs several dear lookups out of a small budget: when the proof is near, the
next one is made then; else one more halfway, after `_FAR` at most, since what was on its way may have arrived."""
_TIMER: Final = 0.005
"""Seconds by which a timer may be early: a search that is no proof yet would have to be made twice."""
_LOST: Final = 30.0
"""Seconds between questions about an order that the venue has named and shows no more: a question and a whole search each."""
_LISTEN: Final = 0.5
"""Seconds between looks for an operator's verdict."""
_CLOCK_SLACK_MS: Final = 10_000
"""How much earlier than the instant of sending the venue's list is searched: that instant was measured, not told."""

_FURTHEST_DEADLINE_MS: Final = 60_000
"""No venue takes a deadline that is further ahead (docs.kraken.com, Add Order)."""

log = structlog.get_logger()


async def resume(context: AccountContext, decision: Decision, number: int) -> LegOutcome:
    """Follow leg `number` of an order to its end, by what was written ahead, or by its id alone where that was lost."""
    record = OrderRecord.read(await context.store.load(decision.id))
    if record.state in TERMINAL and record.state is not None:
        return Denied(record.state, "ended before")
    if not record.client_order_id:
        record = replace(
            record,
            id=decision.id,
            symbol=str(decision.symbol),
            side=decision.side,
            client_order_id=leg_id(decision.id, number),
            deadline_at=context.clock() + int(VENUE_TIMEOUT * 1000),
        )
    if _never_left(context, record):
        return await _absent(context, decision, "written ahead, but not sent")
    found = await find_out(context, record)
    if found is None:
        return await _absent(context, decision, "the venue never had it")
    return Executed(found, record.sent_at, record.accepted_at or found.opened_at)


async def _absent(context: AccountContext, decision: Decision, reason: str) -> NeverReceived:
    await context.store.move(decision.id, OrderState.PLANNED, {"reason": reason, "venue_order_id": ""})
    return NeverReceived()


async def find_out(context: AccountContext, record: OrderRecord) -> VenueOrder | None:
    """Ask the venue for the record of an order that has ended; None is a proof that it never had it.

    An operator who has looked at the venue himself may end the asking (`ops resolve`); what he says stands in the record and goes
    into the report.
    """
    not_before = time.monotonic() + _steady_wait(context, record)
    wait = pause = 0.0
    while True:
        if (verdict := await _verdict_within(context, record, wait)) is not None:
            return verdict.as_order(record)
        first, most = (
            (_KNOWN_ID_BACKOFF_MIN, _KNOWN_ID_BACKOFF_MAX) if record.venue_order_id else (_FAILED_FIRST, _FAILED_MOST)
        )
        wait = pause = min(max(pause * 2, first), most)
        provable = _until_provable(context, record, not_before) < 0
        found = await _ask(context, record, conclusive=provable)
        if isinstance(found, _Failed):
            wait = max(wait, found.retry_after)
        elif found is None:
            provable = provable and _until_provable(context, record, not_before) < 0  # its date may speak against it
            if provable and not record.venue_order_id:
                return None
            if provable:
                log.error("the venue shows an order no more that it had named", order_id=record.id, user=context.user)
                wait = _LOST
            elif not record.venue_order_id:
                wait, pause = until_search(_until_provable(context, record, not_before)), 0.0
        elif found.status is VenueOrderStatus.DONE:
            return found
        elif not record.venue_order_id:  # from here on it can be asked for by its name
            record = replace(record, venue_order_id=found.venue_order_id)
            wait = pause = 0.0


def _never_left(context: AccountContext, record: OrderRecord) -> bool:
    """Say whether this process wrote the record ahead and broke off before it knew so: then nothing was sent.

    As when Redis was lost in that moment.
    """
    sent = context.begun.get(record.client_order_id)
    return sent is not None and not sent.left and record.state is OrderState.SENDING and _is_of(record, sent)


def _is_of(record: OrderRecord, sent: Sent) -> bool:
    """Say whether a record is of that very attempt: somebody else may have begun one since."""
    return (record.fence, record.sent_at) == (sent.fence, sent.at)


def _steady_wait(context: AccountContext, record: OrderRecord) -> float:
    """Return the seconds, by the steady clock alone, until the deadline of another process's send is over at the venue.

    The take-over's own call has voided what had not reached the venue by then; what had, waits there for its deadline.
    """
    until_deadline = min(record.deadline_at - context.clock.earliest(), _FURTHEST_DEADLINE_MS)
    return (max(until_deadline, 0) + VISIBLE_AFTER_MS) / 1000


def _until_provable(context: AccountContext, record: OrderRecord, not_before: float) -> float:
    """Give the seconds until an absence that the venue tells is a proof; below zero when it is."""
    by_the_venue = (record.deadline_at + VISIBLE_AFTER_MS - context.clock.earliest()) / 1000
    sent = context.begun.get(record.client_order_id)
    if sent is not None and _is_of(record, sent):
        return max(by_the_venue, sent.provable_in(context.clock))
    # Another process sent it. If this one has sent the same before, that counts as well.
    own = by_the_venue if sent is None else sent.provable_in(context.clock)
    return max(by_the_venue, own, not_before - time.monotonic())


def until_search(provable_in: float) -> float:
    """Give the seconds until the next search for an order that the last one has not found."""
    return max(provable_in, 0.0) + _TIMER if provable_in <= _NEAR else min(provable_in / 2, _FAR)


async def _verdict_within(context: AccountContext, record: OrderRecord, seconds: float) -> Verdict | None:
    """Wait so long, and while the account is parked: then it must not be asked. A verdict ends the waiting."""
    end = time.monotonic() + seconds
    while True:
        if (verdict := await _verdict(context, record)) is not None:
            return verdict
        left = end - time.monotonic()
        if left > 0:
            await asyncio.sleep(min(left, _LISTEN))
        elif context.account.ready:
            return None
        else:
            await asyncio.sleep(_LISTEN)


async def _verdict(context: AccountContext, record: OrderRecord) -> Verdict | None:
    return Verdict.read(await context.store.load(record.id)) if context.clock.earliest() > record.deadline_at else None


@dataclass(frozen=True, slots=True)
class _Failed:
    retry_after: float
    """Seconds for which the venue wants to hear nothing."""


async def _ask(context: AccountContext, record: OrderRecord, *, conclusive: bool) -> VenueOrder | _Failed | None:
    try:
        return await _look_up(context, record, conclusive=conclusive)
    except (Unavailable, OutcomeUnknown) as error:
        return _Failed(error.retry_after if isinstance(error, Unavailable) else 0.0)
    except Rejected as error:
        if error.refusal in PARKING:
            await context.account.park(error.words, error.refusal)
        return _Failed(0.0)


async def _look_up(context: AccountContext, record: OrderRecord, *, conclusive: bool) -> VenueOrder | None:
    if record.venue_order_id:
        try:
            return await context.venue.order(record.venue_order_id)
        except Rejected as error:
            if error.refusal is not Refusal.GONE:
                raise
        if not conclusive:
            return None  # taken but not listed yet: the dear search can wait
    since = (record.sent_at or context.clock()) - _CLOCK_SLACK_MS
    return await context.venue.find(record.client_order_id, since=since if conclusive else None)
