"""The streams that are open, and how often each key has connected: what tests and operators judge by.

A connection has no user until its first private subscription; one with public channels alone never has one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class LiveStream:
    """One open connection. `messages` counts what was handed to the client's socket."""

    number: int
    venue: str
    address: str
    since: float
    user: str = ""
    api_key: str = ""
    channels: set[str] = field(default_factory=set)
    messages: int = 0


class StreamRegister:
    """The open connections of both venues."""

    def __init__(self) -> None:
        self.open: dict[int, LiveStream] = {}
        self.connects: Counter[tuple[str, str]] = Counter()
        """Connections by venue and key, since the start; those without a key under an empty one."""
        self.refused: Counter[str] = Counter()
        """Handshakes that were refused, by venue."""
        self._number = 0

    def opened(self, venue: str, address: str, now: float) -> LiveStream:
        """Add a connection."""
        self._number += 1
        live = self.open[self._number] = LiveStream(self._number, venue, address, now)
        self.connects[venue, ""] += 1
        return live

    def identified(self, live: LiveStream, user: str, api_key: str) -> None:
        """Note whose connection it is; its connect then counts for the key."""
        if live.api_key != api_key:
            self.connects[live.venue, live.api_key] -= 1
            self.connects[live.venue, api_key] += 1
        live.user, live.api_key = user, api_key

    def closed(self, live: LiveStream) -> None:
        """Remove a connection."""
        self.open.pop(live.number, None)
