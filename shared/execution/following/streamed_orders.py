"""What the private stream of one account has shown of its recent orders, and whether the stream is to be waited for.

An order that the stream shows as ended, whole, has the venue's own record as its end, booked like an answer of REST. Anything
less is a doubt, and a doubt asks REST at once: an interruption, a gap, a row that the stream alone does not explain, an order
that is shown with two different ends.

It must never conclude that something is absent: an order that the stream does not show may exist. And it must never keep anyone
waiting for a stream that may have missed what they wait for: only what was sent after the last `resumed` is covered.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from shared.venues.port import VenueOrder, VenueOrderStatus
from shared.venues.stream import FundsMoved, OrderSeen, PrivateStream

_KEPT: Final = 1_000
"""How many orders are remembered: more than an account can place while one of them waits for its end."""

log = structlog.get_logger()


def _ignore() -> None:
    """Do nothing."""


@dataclass(slots=True)
class _Shown:
    """One order: the furthest that was shown of it. `doubtful`: REST is to be asked what has become of it."""

    order: VenueOrder | None = None
    whole: bool = False
    doubtful: bool = False

    @property
    def end(self) -> VenueOrder | None:
        order = self.order
        return order if order is not None and self.whole and not self.doubtful and _ended(order) else None


class StreamedOrders:
    """The reader of one account's stream (`shared/venues/stream.py`) for those who wait for the ends of their orders."""

    def __init__(
        self,
        user: str,
        steady: Callable[[], float],
        *,
        funds_changed: Callable[[], None] = _ignore,
        is_own: Callable[[str], bool] = lambda _: True,
        missed: Callable[[], None] = _ignore,
    ) -> None:
        """`steady` returns seconds of a clock that does not step.

        `funds_changed` is called when the balances have changed, or may have, by something else than this account's own orders
        here: `is_own` tells those by their client order id. `missed` is called for each order whose end REST showed first.
        """
        self._user = user
        self.steady = steady
        self.source: PrivateStream | None = None
        """The stream, once there is one."""
        self.funds_changed = funds_changed
        self._is_own = is_own
        self._missed = missed
        self._shown: OrderedDict[str, _Shown] = OrderedDict()
        self._by_client_id: dict[str, set[str]] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._alive_since = math.inf
        self._trusted = False
        self._polled = "no stream"

    @property
    def shows_funds(self) -> bool:
        """Whether the stream shows what moves the balances beside orders."""
        return self.source is not None and self.source.shows_funds

    @property
    def served(self) -> str:
        """How the ends of orders are learned, for people: `stream`, or `polled` and why."""
        return "stream" if self._trusted else f"polled: {self._polled}"

    def poll(self, why: str) -> None:
        """Note why there is no stream."""
        self._polled = why

    @property
    def alive(self) -> bool:
        """Whether the stream is connected, and has not just missed something."""
        return self._trusted

    def covers(self, since: float) -> bool:
        """Return whether the stream shows everything that has happened since a steady instant."""
        return self._trusted and self._alive_since <= since

    async def resumed(self, why: str) -> None:
        """Trust the stream from now on. Who waits for what may have happened before asks REST."""
        log.debug("private stream resumed", user=self._user, reason=why)
        self._alive_since = self.steady()
        self._trusted = True
        self._wake_all()
        self.funds_changed()

    def interrupted(self, why: str) -> None:
        """Have everyone who waits ask REST. What was shown as ended has ended all the same."""
        if self._trusted:
            log.info("private stream interrupted", user=self._user, reason=why)
            self._polled = why
        self._alive_since = math.inf
        self._trusted = False
        self._wake_all()

    def order_seen(self, seen: OrderSeen) -> None:
        """Keep the furthest state of an order, and wake who waits for it."""
        order = seen.order
        self._trusted = self._alive_since < math.inf  # it shows things again, if it had missed one
        shown = self._of(order.venue_order_id)
        if order.client_order_id:
            self._by_client_id.setdefault(order.client_order_id, set()).add(order.venue_order_id)
        if (before := shown.end) is not None:
            if _ended(order) and seen.whole and not _same_end(before, order):
                log.error("the private stream shows two ends of one order", user=self._user, order=order.venue_order_id)
                shown.doubtful = True
        elif _ended(order) or shown.order is None or not _ended(shown.order):  # else a row of before its end
            shown.order, shown.whole = order, seen.whole
            shown.doubtful = not seen.whole and (_ended(order) or shown.doubtful)
        if order.filled.amount and not self._is_own(order.client_order_id):
            self.funds_changed()
        self._wake(order.venue_order_id)
        self._wake(order.client_order_id)

    def unclear(self, venue_order_id: str, why: str) -> None:
        """Have REST asked for an order, unless its end is known already."""
        log.info("private stream unclear", user=self._user, order=venue_order_id, reason=why)
        shown = self._of(venue_order_id)
        if shown.end is None:
            shown.doubtful = True
        self._wake(venue_order_id)
        self.funds_changed()

    def funds_moved(self, moved: FundsMoved) -> None:
        """Have the balances read: they have changed without an order."""
        log.info("balance moved without an order", user=self._user, asset=moved.asset, kind=moved.kind)
        self.funds_changed()

    def end_of(self, venue_order_id: str) -> VenueOrder | None:
        """Return the proven end of an order; None if it was not shown, or not as a whole."""
        shown = self._shown.get(venue_order_id)
        return None if shown is None else shown.end

    def doubts(self, venue_order_id: str) -> bool:
        """Return whether the stream has shown something of an order that only REST can explain."""
        shown = self._shown.get(venue_order_id)
        return shown is not None and shown.doubtful

    def id_of(self, client_order_id: str) -> str:
        """Return the venue's id of the one order that was shown with a client order id; empty if there is none, or several."""
        found = self._by_client_id.get(client_order_id, ())
        return next(iter(found)) if len(found) == 1 else ""

    def shows(self, client_order_id: str) -> bool:
        """Return whether any order with this client order id was shown."""
        return client_order_id in self._by_client_id

    def missed(self, venue_order_id: str) -> None:
        """Count an order whose end REST showed first, and do not wait for the stream until it shows something again."""
        if self.end_of(venue_order_id) is not None:
            return  # it came while REST was asked
        log.warning("the private stream did not show the end of an order", user=self._user, order=venue_order_id)
        self._trusted, self._polled = False, "the stream has missed the end of an order"
        self._missed()

    async def wait(self, venue_order_id: str, client_order_id: str, within: Awaitable[object]) -> None:
        """Return on news of an order, on a doubt about the whole stream, or when `within` is over."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer: asyncio.Future[Any] = asyncio.ensure_future(within)
        ids = [each for each in (venue_order_id, client_order_id) if each]
        for each in ids:
            self._waiting.setdefault(each, set()).add(news)
        try:
            await asyncio.wait({news, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ids:
                self._stop_waiting(each, news)
            timer.cancel()
        if timer.done():
            with suppress(asyncio.CancelledError):
                timer.result()

    def _of(self, venue_order_id: str) -> _Shown:
        shown = self._shown.get(venue_order_id)
        if shown is None:
            shown = self._shown[venue_order_id] = _Shown()
            if len(self._shown) > _KEPT:
                self._forget(*self._shown.popitem(last=False))
        return shown

    def _forget(self, venue_order_id: str, shown: _Shown) -> None:
        client_order_id = shown.order.client_order_id if shown.order else ""
        named = self._by_client_id.get(client_order_id, set())
        named.discard(venue_order_id)
        if not named:
            self._by_client_id.pop(client_order_id, None)

    def _stop_waiting(self, order_id: str, news: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(order_id, set())
        waiting.discard(news)
        if not waiting:
            self._waiting.pop(order_id, None)

    def _wake(self, order_id: str) -> None:
        for news in self._waiting.get(order_id, ()):
            if not news.done():
                news.set_result(None)

    def _wake_all(self) -> None:
        for order_id in self._waiting:
            self._wake(order_id)


def _ended(order: VenueOrder) -> bool:
    return order.status is VenueOrderStatus.DONE


def _same_end(one: VenueOrder, other: VenueOrder) -> bool:
    return (one.filled, one.cost, one.fee, one.fee_asset) == (other.filled, other.cost, other.fee, other.fee_asset)
