"""The list of a master account's own orders that may be open, so that showing them needs no scan of the keyspace.

It is for showing only, and errs on the long side: an order is listed before its first send, and taken off with the next one after
its end, so a reader looks at each order's record. What has to be recovered is found in the records themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden
from shared.bus.flow.streams import flatten
from shared.bus.state.records import pairs
from shared.contracts import keys

_WHOLE: Final = "whole"
"""The field that says that the list was compared with all records; no order has this id."""


class OpenOrderList:
    """The list of one account at one venue, written under its lease."""

    def __init__(self, bus: Bus, user: str, venue: str) -> None:
        self._bus = bus
        self._key = keys.open_orders(user, venue)
        self._venue = venue
        self._ended: list[str] = []

    async def replace(self, records: Mapping[str, Mapping[str, str]]) -> None:
        """Write the list from all records of open orders by id. Raises BusUnavailable."""
        now = str(time.time_ns() // 1_000_000)
        own = {order: now for order, fields in records.items() if fields.get("venue", self._venue) == self._venue}
        with suppress(BusForbidden):
            await self._bus.do_all([("DEL", self._key), ("HSET", self._key, *flatten({**own, _WHOLE: now}))])

    async def add(self, order_id: str) -> None:
        """List an order that begins, and take off those that have ended. Raises BusUnavailable."""
        ended, self._ended = self._ended, []
        commands: list[tuple[str | int, ...]] = [("HSET", self._key, order_id, time.time_ns() // 1_000_000)]
        commands += [("HDEL", self._key, *ended)] if ended else []
        with suppress(BusForbidden):
            await self._bus.do_all(commands)

    def ended(self, order_id: str) -> None:
        """Note an order that has ended: it is taken off with the next that begins."""
        self._ended.append(order_id)


async def listed_orders(bus: Bus, user: str, venue: str) -> list[str] | None:
    """Return the ids of orders that may be open; None if the list does not say so (yet). Raises BusUnavailable."""
    (answer,) = await bus.do_all([("HGETALL", keys.open_orders(user, venue))])
    listed = pairs(answer)
    return sorted(listed.keys() - {_WHOLE}) if _WHOLE in listed else None
