"""What the venue has traded for an account before this turn began.

An order without a write-ahead record has not been sent, unless Redis lost its last writes (a flush, a fail-over). So an order
that is older than the lease is looked for once in the venue's list before it may be sent. One listing serves all of them; it is
made late enough that a fresh order is visible in it, and after the take-over's own call has voided what was still under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from services.executor.account import PARKING, AccountKeeper
from services.executor.desk import VISIBLE_AFTER_MS
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable
from shared.venues.port import Venue, VenueOrder

_REACH_MS: Final = 60_000
"""How much earlier than a decision's own instant the list begins: clocks differ."""
_FURTHEST_MS: Final = 24 * 3600 * 1000
_RETRY: Final = 2.0

log = structlog.get_logger()


class History:
    """The orders with fills of one account, by client order id, up to the start of the turn."""

    def __init__(self, venue: Venue, account: AccountKeeper, taken_over_at: int, clock: Callable[[], int]) -> None:
        self._venue = venue
        self._account = account
        self._readable_at = taken_over_at + VISIBLE_AFTER_MS
        self._clock = clock
        self._since: int | None = None
        self._orders: dict[str, VenueOrder] = {}
        self._lock = asyncio.Lock()

    async def find(self, client_order_id: str, decided_at: int) -> VenueOrder | None:
        """Give the venue's record of an order that was decided at `decided_at` (epoch ms) and traded; None if it never did.

        Orders older than a day are not searched for: an entry is long expired, and the venue's list is the audit's matter.
        """
        since = max(decided_at - _REACH_MS, self._clock() - _FURTHEST_MS)
        async with self._lock:
            if self._since is None or since < self._since:
                await self._list(since)
        return self._orders.get(client_order_id)

    async def _list(self, since: int) -> None:
        await asyncio.sleep(max(0, self._readable_at - self._clock()) / 1000)
        while True:
            try:
                found = await self._venue.closed_orders(since=since)
            except (Unavailable, OutcomeUnknown) as error:
                log.warning("the venue's list of orders could not be read", reason=error.words)
            except Rejected as error:
                log.warning("the venue's list of orders was refused", reason=error.words)
                if error.refusal in PARKING:
                    await self._account.park(error.words)
                    await self._account.until_ready()
            else:
                self._orders = {order.client_order_id: order for order in found if order.client_order_id}
                self._since = since
                return
            await asyncio.sleep(_RETRY)
