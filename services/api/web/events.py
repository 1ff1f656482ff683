"""Server-sent events: what all live pages share.

The id of an event is the id of a stream entry. A browser repeats the last one when it connects again, here or at a restarted API,
and gets everything after it: nothing is kept per browser.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from fastapi.sse import ServerSentEvent

from shared.bus.streams import entry_order

EVERY: Final = 0.5
"""Seconds between two looks."""
LONGEST: Final = 600.0
"""Seconds until a stream of events ends by itself; the browser connects again at once and continues."""
RETRY_MS: Final = 1_000
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


def outage(reason: str) -> ServerSentEvent:
    """Return the event that says why nothing comes for now."""
    return ServerSentEvent(event="outage", raw_data=" ".join(reason.split()))
