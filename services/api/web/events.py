"""Server-sent events: what all live pages share.

The id of an event is the id of a stream entry. A browser repeats the last one when it connects again, here or at a restarted API,
and gets everything after it: nothing is kept per browser.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.sse import ServerSentEvent

from shared.bus.flow.streams import entry_order

EVERY: Final = 0.5
"""Seconds between two looks."""
LONGEST: Final = 600.0
"""Seconds until a stream of events ends by itself; the browser connects again at once and continues."""
RETRY_MS: Final = 1_000
ALIVE: Final = 10.0
"""Seconds after which a stream without news says that it lives; `live.js` connects again after three times as long."""
_ENTRY_ID: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
_LARGEST: Final = 2**64


def start_after(request: Request, after: str) -> str:
    """Return the id after which events are wanted: the browser's `Last-Event-ID`, else `after` of the address, else nothing."""
    for given in (request.headers.get("last-event-id", ""), after):
        if _ENTRY_ID.fullmatch(given) and max(entry_order(given)) < _LARGEST:
            return given
    return ""


def opening() -> ServerSentEvent:
    """Return the first event: how soon to connect again."""
    return ServerSentEvent(retry=RETRY_MS, comment="connected")


class Pulse:
    """Says what a stream without news means: `here` while Redis answers, `outage` with the reason while it does not.

    Each is sent at once when that changes, and again every `ALIVE` seconds: silence would look the same as a lost connection.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = ""
        self._at = 0.0

    def well(self) -> list[ServerSentEvent]:
        """Return what is to be sent after a look that succeeded."""
        return [ServerSentEvent(event="here", raw_data="up to date")] if self._due("here") else []

    def lost(self, reason: str) -> list[ServerSentEvent]:
        """Return what is to be sent after a look that failed."""
        return [ServerSentEvent(event="outage", raw_data=" ".join(reason.split()))] if self._due("outage") else []

    def _due(self, what: str) -> bool:
        now = self._clock()
        if what == self._said and now - self._at < ALIVE:
            return False
        self._said, self._at = what, now
        return True
