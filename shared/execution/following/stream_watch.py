"""One order that is followed to its end, as the account's private stream shows it.

The stream is waited for only while it covers the order: it has been whole since before the order was sent, or since REST last
showed the order open. A whole end that it shows counts at any time; nothing that it does not show counts at all.
"""

from __future__ import annotations

import math
from typing import Final

from shared.execution.following.absence import is_of
from shared.execution.leg import TrackedOrder
from shared.execution.record import OrderRecord
from shared.execution.sender import Sender
from shared.venues.port import VenueOrder

PATIENCE: Final = 1.0
"""Seconds for which the end of an order is awaited before REST is asked. An immediate order ends as it arrives, and rows come in
tens of milliseconds."""
REST_BETWEEN: Final = 10.0
"""Seconds between lookups of an order that stays open while the stream covers it."""


class StreamWatch:
    """Watches one order. Without a stream it shows nothing and covers nothing."""

    def __init__(self, sender: Sender, order: TrackedOrder, record: OrderRecord) -> None:
        """`record` as it was when the watch began; its client order id never changes."""
        self._sender = sender
        self._stream = sender.stream
        self._symbol, self._side = order.symbol, order.side
        self._client_order_id = record.client_order_id
        attempt = sender.attempts.get(record.client_order_id)
        self._known_at = attempt.begun_at if attempt is not None and is_of(record, attempt) else -math.inf
        """Steady instant since when all that happens to the order must be shown."""
        self._foreign = False

    def end(self, venue_order_id: str) -> VenueOrder | None:
        """Return the end of the order if the stream has proved it. `venue_order_id` is empty while that is not known."""
        if self._stream is None or not (named := venue_order_id or self.named()):
            return None
        found = self._stream.end_of(named)
        if found is None:
            return None
        if (found.symbol, found.side) != (self._symbol, self._side) or found.client_order_id not in {
            "",
            self._client_order_id,
        }:
            self._foreign = True  # what the stream shows under this id is another order: REST decides
            return None
        return found

    def named(self) -> str:
        """Return the venue's id of the order, if the stream shows one order with its client order id; else an empty text."""
        return "" if self._stream is None else self._stream.id_of(self._client_order_id)

    @property
    def shown(self) -> bool:
        """Whether the stream shows any order with its client order id: then it is not absent."""
        return self._stream is not None and self._stream.shows(self._client_order_id)

    def covered(self, venue_order_id: str) -> bool:
        """Return whether the end is to be awaited here: nothing of the order can have been missed, and nothing is in doubt."""
        stream = self._stream
        if stream is None or self._foreign or not stream.covers(self._known_at):
            return False
        return not (venue_order_id and stream.doubts(venue_order_id))

    def shown_open(self, asked_at: float) -> None:
        """Note that REST, asked at a steady instant, has shown the order open."""
        self._known_at = max(self._known_at, asked_at)

    def missed(self, venue_order_id: str) -> None:
        """Note that REST has shown the end of the order although the stream covered it."""
        if self._stream is not None:
            self._stream.missed(venue_order_id)

    async def wait(self, venue_order_id: str, seconds: float) -> None:
        """Wait, at most until the stream shows something of the order or is interrupted."""
        timer = self._sender.clock.sleep(seconds)
        if self._stream is None:
            await timer
        else:
            await self._stream.wait(venue_order_id, self._client_order_id, timer)
