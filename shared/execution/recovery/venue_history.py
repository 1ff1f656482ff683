"""The orders of an account at the venue, by client order id: for orders whose records Redis may have lost.

An order without a write-ahead record has not been sent, unless Redis lost its last writes (a flush, a fail-over). So an order
that was begun before, delivered before, or is older than the lease is looked up in the venue's list before anything is sent. A
listing proves absence only if it was made late enough. The take-over's own call voids what had not reached the venue by then; a
request that had may be queued there until its deadline, and be invisible for a moment after that. This is counted by a clock that
does not step, and for this process's own sends by the venue's clock as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from shared.execution.attempt import Attempt
from shared.execution.clock import Clock
from shared.execution.sender import AccountState
from shared.execution.timing import SECOND, timing_of
from shared.venues.errors import KEY_REFUSALS, OutcomeUnknown, Rejected, Unavailable, VenueError
from shared.venues.port import OmittedRow, Venue, VenueOrder

_REACH_MS: Final = 60_000
"""How much earlier than the decision's instant the list begins: clocks differ."""
_FURTHEST_MS: Final = 24 * 3600 * 1000
_TIMER: Final = 0.005
"""Seconds by which a timer may fire early: a list made a moment too early would have to be made again."""
_RETRY: Final = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Moment:
    """An instant by both clocks: steady seconds, and the earliest that the venue's clock can show (epoch ms)."""

    steady: float
    venue: int


class ConnectedAccount(AccountState, Protocol):
    """An account whose turn began with a private call."""

    connected_steady: float
    """When the venue had answered that call, by the steady clock: everything signed before it is void at the venue."""


class VenueHistory:
    """The orders of one account, open and ended. One listing serves every lookup for which it is late enough."""

    def __init__(self, venue: Venue, account: ConnectedAccount, clock: Clock) -> None:
        self._venue = venue
        self._account = account
        self._clock = clock
        self._timing = timing_of(venue)
        self._since: int | None = None
        self._listed = _Moment(0.0, 0)
        self._orders: dict[str, VenueOrder] = {}
        self._left_out: tuple[OmittedRow, ...] = ()
        self._lock = asyncio.Lock()

    async def find(self, client_order_id: str, *, decided_at: int, attempt: Attempt | None) -> VenueOrder | None:
        """Return the venue's record of an order, ended or not; None is a proof that it was never accepted.

        `attempt` is this process's last attempt to send it, if it may have left. Orders decided more than a day ago are not
        searched for further back than a day: an entry is long expired by then. Waits while the account is parked.
        """
        since = max(decided_at - _REACH_MS, self._clock.now() - _FURTHEST_MS)
        await self._account.until_ready()
        async with self._lock:
            if self._since is None or since < self._since or self._early(attempt, self._listed) > 0:
                await self._list(since, attempt)
        found = self._orders.get(client_order_id)
        if found is None and any(row.may_be(client_order_id) for row in self._left_out):
            return await self._ask_alone(client_order_id, since)
        return found

    async def _ask_alone(self, client_order_id: str, since: int) -> VenueOrder | None:
        """Look one order up by itself: an unreadable row may be it, so its absence from the list proves nothing."""
        while True:
            await self._account.until_ready()
            try:
                return await self._venue.find(client_order_id, since=since)
            except VenueError as error:
                log.error(
                    "it cannot be said yet whether the venue has an order", order_id=client_order_id, why=str(error)
                )
                if isinstance(error, Rejected) and error.refusal in KEY_REFUSALS:
                    await self._account.park(error.words, error.refusal)
            await self._clock.sleep(_RETRY)

    def _early(self, attempt: Attempt | None, at: _Moment) -> float:
        """Return by how many seconds a list made at `at` is too early to prove an absence; zero or less if it proves one."""
        early = self._account.connected_steady + self._timing.proven_after_ms / SECOND - at.steady
        if attempt is not None:
            by_the_venue = (attempt.deadline_at + self._timing.visible_after_ms - at.venue) / SECOND
            early = max(early, attempt.provable_at - at.steady, by_the_venue)
        return early

    def _now(self) -> _Moment:
        return _Moment(self._clock.steady(), self._clock.earliest())

    async def _list(self, since: int, attempt: Attempt | None) -> None:
        while True:
            await self._account.until_ready()
            if (early := self._early(attempt, at := self._now())) > 0:
                await self._clock.sleep(early + _TIMER)
                continue
            try:
                # In this order: one that ends in between is in the second list as well.
                still_open = await self._venue.open_orders()
                ended = await self._venue.closed_orders(since=since)
            except (Unavailable, OutcomeUnknown) as error:
                log.warning("the venue's list of orders could not be read", reason=error.words)
            except Rejected as error:
                log.warning("the venue's list of orders was refused", reason=error.words)
                if error.refusal in KEY_REFUSALS:
                    await self._account.park(error.words, error.refusal)
            else:
                if self._early(attempt, self._now()) > 0:
                    continue  # the dates of these answers contradict it
                # Of two orders with one id (the venue accepts the second after the first has ended) the filled one counts.
                filled_last = sorted([*still_open, *ended], key=lambda order: order.filled.amount > 0)
                self._orders = {order.client_order_id: order for order in filled_last if order.client_order_id}
                self._left_out = (*still_open.left_out, *ended.left_out)
                self._since, self._listed = since, at
                return
            await self._clock.sleep(_RETRY)
