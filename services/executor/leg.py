"""One leg: a single order at the venue, from the write-ahead to the venue's own record of how it ended.

A leg ends in one of five ways, and the caller decides what follows:

    Traded    the venue's record says what filled (perhaps nothing)
    Absent    the venue has been asked late enough: it never had the order; the same leg may be sent again
    Refused   the venue said no, definitely
    NotSent   nothing was processed; the same leg may be sent again
    Stopped   our own guard stopped it before anything was sent

What is ambiguous does not end here: it is asked until the venue's answer proves something. Lost leases and a lost Redis pass
through as exceptions: then the next owner finds the write-ahead record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from services.executor.account import PARKING
from services.executor.desk import LEASE_NEEDED, VENUE_TIMEOUT, VISIBLE_AFTER_MS, Desk
from services.executor.record import Leg, OrderRecord
from services.executor.verdict import Verdict
from shared.bus.orders import NotBegun
from shared.config.boundary import Step
from shared.domain.money import plain
from shared.domain.order import Decision, OrderState, leg_id
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import OrderRequest, VenueOrder, VenueOrderStatus

_ASK_FIRST, _ASK_MOST = 0.1, 2.0
"""Seconds between questions to the venue about an order that has not ended."""
_LISTEN: Final = 1.0
"""Seconds between looks for an operator's verdict."""
_CLOCK_SLACK_MS: Final = 10_000
"""How much earlier than our own instant of sending the venue's list is searched: its clock may differ."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Traded:
    """The venue's record of the leg, with our own instants (epoch ms)."""

    order: VenueOrder
    sent_at: int | None
    accepted_at: int | None


@dataclass(frozen=True, slots=True)
class Absent:
    """The venue never had it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue refused it."""

    words: str
    refusal: Refusal
    sent_at: int


@dataclass(frozen=True, slots=True)
class NotSent:
    """It was not processed."""

    words: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """A guard of ours stopped it; `outcome` is what the order becomes."""

    outcome: OrderState
    reason: str


End = Traded | Absent | Refused | NotSent | Stopped
Guard = Callable[[], Awaitable[Stopped | None]]
"""Asked inside the lane, right before the write-ahead."""


class _StopSending(Exception):  # noqa: N818  # control flow out of the lane, not an error
    def __init__(self, end: Stopped) -> None:
        super().__init__(end.reason)
        self.end = end


class _AlreadyBegunError(Exception):
    def __init__(self, found: NotBegun) -> None:
        super().__init__(str(found.state))
        self.found = found


async def trade(desk: Desk, leg: Leg, guard: Guard) -> End:
    """Send a leg once and follow it to its end."""
    decision = leg.decision
    now = desk.clock()
    client_id = leg_id(decision.id, leg.number)
    request = OrderRequest(
        client_order_id=client_id,
        symbol=decision.symbol,
        side=decision.side,
        size=leg.size,
        limit_price=leg.limit_price,
        deadline_at=now + int(VENUE_TIMEOUT * 1000),
    )

    async def begin() -> int:
        if (stop := await guard()) is not None:
            raise _StopSending(stop)
        desk.lease.require(LEASE_NEEDED)
        desk.begun[decision.id] = desk.clock()
        begun = await desk.store.begin(decision.id, desk.nonces, OrderRecord.intent(leg, request, desk.clock()))
        if isinstance(begun, NotBegun):
            raise _AlreadyBegunError(begun)
        desk.boundary.passed(Step.EXECUTOR_AFTER_WRITE_AHEAD)
        return begun.nonce

    try:
        accepted = await desk.venue.place(request, begin)
    except _StopSending as stop:
        return stop.end
    except _AlreadyBegunError as refused:
        if refused.found.terminal:
            return Stopped(refused.found.state, "ended before")
        log.warning("order had been begun before: asking the venue", signal_id=decision.signal_id, user=desk.user)
        return await resume(desk, decision)
    except Unavailable as error:
        await desk.store.move(decision.id, OrderState.PLANNED, {"reason": error.words})
        return NotSent(error.words, error.retry_after)
    except Rejected as error:
        return await _refused(desk, decision, error)
    except OutcomeUnknown as error:
        log.warning(
            "outcome unknown: asking the venue", signal_id=decision.signal_id, user=desk.user, reason=error.words
        )
        await desk.store.move(decision.id, OrderState.UNKNOWN, {"reason": error.words})
        return await resume(desk, decision)
    desk.boundary.passed(Step.EXECUTOR_AFTER_REPLY)
    at = str(desk.clock())
    await desk.store.move(
        decision.id, OrderState.ACCEPTED, {"venue_order_id": accepted.venue_order_id, "accepted_at": at}
    )
    return await resume(desk, decision)


async def _refused(desk: Desk, decision: Decision, error: Rejected) -> End:
    if error.refusal is Refusal.DUPLICATE:
        await desk.store.move(decision.id, OrderState.UNKNOWN, {"reason": error.words})
        return await resume(desk, decision)
    if error.refusal is Refusal.DEADLINE:
        await desk.store.move(decision.id, OrderState.PLANNED, {"reason": error.words})
        return NotSent(error.words, 0.0)
    if error.refusal in PARKING:
        await desk.account.park(error.words)
    record = OrderRecord.read(await desk.store.load(decision.id))
    return Refused(error.words, error.refusal, record.sent_at or desk.clock())


async def resume(desk: Desk, decision: Decision) -> End:
    """Follow an order whose last send has no proven end, by what was written ahead."""
    record = OrderRecord.read(await desk.store.load(decision.id))
    if record.state is None or record.client_order_id == "":
        return Absent()
    found = await find_out(desk, record)
    if found is None:
        await desk.store.move(
            decision.id, OrderState.PLANNED, {"reason": "the venue never had it", "venue_order_id": ""}
        )
        return Absent()
    return Traded(found, record.sent_at, record.accepted_at or found.opened_at)


async def find_out(desk: Desk, record: OrderRecord) -> VenueOrder | None:
    """Ask the venue until its answer proves something: the record of an order that has ended, or None for none at all.

    None is only believed after the order's deadline and the time in which a fresh order can be invisible. An operator who has
    looked at the venue himself may end the asking (`ops resolve`); what he says stands in the record and goes into the report.
    """
    wait = 0.0
    while True:
        if (verdict := await _verdict_within(desk, record, wait)) is not None:
            return verdict.as_order(record)
        wait = min(max(wait * 2, _ASK_FIRST), _ASK_MOST)
        asked_at = desk.clock()
        try:
            found = await _ask(desk, record)
        except (Unavailable, OutcomeUnknown) as error:
            wait = max(wait, error.retry_after if isinstance(error, Unavailable) else 0.0)
        except Rejected as error:
            if error.refusal in PARKING:
                await desk.account.park(error.words)
        else:
            if found is None and asked_at > record.deadline_at + VISIBLE_AFTER_MS:
                return None
            if found is not None and found.status is VenueOrderStatus.DONE:
                return found


async def _verdict_within(desk: Desk, record: OrderRecord, seconds: float) -> Verdict | None:
    """Wait so long, and while the account is parked: then it must not be asked. A verdict ends the waiting."""
    end = time.monotonic() + seconds
    while True:
        if (verdict := await _verdict(desk, record)) is not None:
            return verdict
        left = end - time.monotonic()
        if left > 0:
            await asyncio.sleep(min(left, _LISTEN))
        elif desk.account.ready:
            return None
        else:
            await asyncio.sleep(_LISTEN)


async def _verdict(desk: Desk, record: OrderRecord) -> Verdict | None:
    return Verdict.read(await desk.store.load(record.id)) if desk.clock() > record.deadline_at else None


async def _ask(desk: Desk, record: OrderRecord) -> VenueOrder | None:
    if record.venue_order_id:
        try:
            return await desk.venue.order(record.venue_order_id)
        except Rejected as error:
            if error.refusal is not Refusal.GONE:
                raise
    since = (record.sent_at or record.deadline_at) - _CLOCK_SLACK_MS
    return await desk.venue.find(record.client_order_id, since=since)


def describe(order: VenueOrder) -> str:
    """Say what the venue's record says."""
    if order.average_price is None:
        return f"nothing filled{f': {order.reason}' if order.reason else ''}"
    return (
        f"filled {order.filled} at {plain(order.average_price.shown())}{f' ({order.reason})' if order.reason else ''}"
    )
