"""What the notifier keeps in Redis: written under its lease only, so that two notifiers never send the same thing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys

_PUT: Final = load("put_fields")
_HASHES: Final = (keys.NOTICES, keys.OUTBOX, keys.NOTIFY_TEST, keys.NOTIFY_EXPECTED)


class NoticeStore:
    """Four hashes in one slot of Redis. A write changes all of them in one step, or nothing."""

    def __init__(self, bus: Bus, lease: Lease) -> None:
        self._bus = bus
        self._lease = lease
        self._in_order = asyncio.Lock()

    async def notices(self) -> Mapping[str, str]:
        """Read what is known of causes, and the figures of the last summary. Raises BusUnavailable."""
        return pairs(await self._bus.do("HGETALL", keys.NOTICES))

    async def outbox(self) -> Mapping[str, str]:
        """Read the messages that are not confirmed yet. Raises BusUnavailable."""
        return pairs(await self._bus.do("HGETALL", keys.OUTBOX))

    async def test_request(self) -> Mapping[str, str]:
        """Read the last request for a test message. Raises BusUnavailable."""
        return pairs(await self._bus.do("HGETALL", keys.NOTIFY_TEST))

    async def write(
        self,
        notices: Mapping[str, str] | None = None,
        outbox: Mapping[str, str] | None = None,
        test: Mapping[str, str] | None = None,
        expected: Mapping[str, str] | None = None,
    ) -> None:
        """Write fields in one step; an empty text removes one. Raises LeaseLost, BusUnavailable."""
        changes: list[str | int] = []
        for number, fields in enumerate((notices, outbox, test, expected), 1):
            for name, value in (fields or {}).items():
                changes += [number, name, value]
        if not changes:
            return
        names = [keys.fence(keys.NOTIFIER), *_HASHES]
        async with self._in_order:  # a script that Redis does not know yet is sent twice, and must not be overtaken
            if await self._bus.run(_PUT, names, [self._lease.token, *changes]) != "ok":
                raise LeaseLost("another notifier sends the messages now")
