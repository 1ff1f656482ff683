"""Writes decisions about resting orders into users' own streams, each under the id of the master's event.

That id makes repeating harmless: Redis refuses it a second time. What Redis refuses for another reason is owed and tried again;
the event is not acknowledged before. A decision that had to be appended under another id does no harm: decisions have versions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, flatten, read_entries
from shared.domain.fault import FaultKind, Faults

_PAST_ID: Final = "equal or smaller"
_LOOK_BACK: Final = 1_000
"""Newest entries of a stream that are searched for a decision that was appended under another id."""

log = structlog.get_logger()


class MirrorWriter:
    """Writes for all users of one engine."""

    def __init__(self, bus: Bus, faults: Faults) -> None:
        self._bus = bus
        self._faults = faults
        self._owed: deque[Entry] = deque()

    def owes(self, event_id: str) -> bool:
        """Return whether a decision on an event is owed."""
        return any(entry.id == event_id for entry in self._owed)

    async def write(self, entries: Sequence[Entry]) -> None:
        """Write decisions in one round trip; those of users who are owed earlier ones wait behind these. Raises
        BusUnavailable."""
        owing = {entry.stream for entry in self._owed}
        now = [entry for entry in entries if entry.stream not in owing]
        self._owed.extend(entry for entry in entries if entry.stream in owing)
        answers = await self._bus.do_all([("XADD", entry.stream, entry.id, *flatten(entry.fields)) for entry in now])
        for entry, answer in zip(now, answers, strict=True):
            await self._handle(entry, answer)

    async def write_owed(self) -> list[str]:
        """Try again what is owed, in order; return the events of which nothing is owed any more. Raises BusUnavailable."""
        waiting, self._owed = list(self._owed), deque()
        await self.write(waiting)
        still = {entry.id for entry in self._owed}
        return sorted({entry.id for entry in waiting} - still)

    async def placed(self, streams: Sequence[str], order_entry: str, master_order_id: str) -> list[Mapping[str, str]]:
        """Return the decision to place an order of the master's, as each stream has it; empty where it has none."""
        answers = await self._bus.do_all([("XRANGE", stream, order_entry, order_entry) for stream in streams])
        found = []
        for stream, answer in zip(streams, answers, strict=True):
            rows = [] if isinstance(answer, Exception) else read_entries(stream, answer)
            mine = [row.fields for row in rows if _places(row.fields, master_order_id)]
            found.append(mine[0] if mine else await self._searched(stream, master_order_id))
        return found

    async def _searched(self, stream: str, master_order_id: str) -> Mapping[str, str]:
        (answer,) = await self._bus.do_all([("XREVRANGE", stream, "+", "-", "COUNT", _LOOK_BACK)])
        rows = [] if isinstance(answer, Exception) else read_entries(stream, answer)
        return next((row.fields for row in rows if _places(row.fields, master_order_id)), {})

    async def _handle(self, entry: Entry, answer: object) -> None:
        user = entry.fields["user"]
        if not isinstance(answer, Exception):
            self._faults.clear(FaultKind.STREAM, _subject(user))
            return
        if _PAST_ID not in str(answer):
            self._owed.append(entry)
            if self._faults.report(FaultKind.STREAM, _subject(user), f"decisions cannot be written: {answer}"):
                log.error("a decision about a resting order waits", user=user, reason=str(answer))
            return
        (rows,) = await self._bus.do_all([("XRANGE", entry.stream, entry.id, entry.id)])
        if not rows or isinstance(rows, Exception):
            log.error("the user's stream was past this event", user=user, entry_id=entry.id)
            await self._bus.do("XADD", entry.stream, "*", *flatten(entry.fields))


def _places(fields: Mapping[str, str], master_order_id: str) -> bool:
    return fields.get("action") == "place" and fields.get("master_order_id") == master_order_id


def _subject(user: str) -> str:
    return f"resting orders of {user}"
