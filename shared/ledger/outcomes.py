"""Reads the report streams in pages, every outcome once from the first on, for the counters of `/metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.stream_feed import StreamFeed
from shared.bus.flow.streams import Entry
from shared.contracts import keys
from shared.ledger.signal_views import instant

_PAGE: Final = 50
"""Entries per user and round trip: catching up with thousands of users must not block the event loop."""
_BEHIND: Final = 100
"""Users of whom one step reads a page of what was reported before: 5,000 outcomes at most."""
_USERS: Final = 1_000
"""Users who are looked at in one step: the outcomes of 5,000 are counted five seconds late at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One settled order. `latency_ms` is from the master's fill to the venue's acceptance, None if nothing was accepted."""

    user: str
    outcome: str
    latency_ms: int | None


class OutcomeFeed:
    """Remembers how far each user's reports have been read, and returns each outcome once."""

    def __init__(self, bus: Bus) -> None:
        self._feed = StreamFeed(bus, keys.reports, _PAGE)
        self.unfinished = 0
        """Of how many users the outcomes were not read to their end by the last reading."""

    async def read(self, users: Sequence[str]) -> list[Outcome]:
        """Return the next outcomes of these users, at most a page of each; of many users some in turn. Raises BusUnavailable."""
        found = await self._feed.step(users, most=_USERS, unread=_BEHIND)
        self.unfinished = self._feed.unfinished(users)
        return [_outcome(user, entry) for user, entries in found.items() for entry in entries]


def _outcome(user: str, entry: Entry) -> Outcome:
    signal_at, accepted_at = instant(entry.fields, "signal_at"), instant(entry.fields, "accepted_at")
    latency = accepted_at - signal_at if accepted_at and signal_at else None
    return Outcome(user, entry.fields.get("outcome", ""), latency)
