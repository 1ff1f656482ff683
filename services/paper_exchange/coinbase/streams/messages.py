"""What a client sends, and the texts with which the venue answers what it does not take.

One channel per message. A name that is no channel is answered as a wrong token is (recorded by others, 2026-09).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

SUBSCRIBE: Final = "subscribe"
AUTHENTICATION_FAILURE: Final = "authentication failure"
UNREADABLE: Final = "failed to parse message"  # our wording
RATE_LIMITED: Final = "rate limit exceeded"  # our wording
UNKNOWN_PRODUCT: Final = "invalid product_ids"  # our wording
MOST_PRODUCTS: Final = 1_000


class RefusedMessage(Exception):  # noqa: N818  # an answer of the venue, not a failure of ours
    """The venue refuses a message; the text is what the client gets."""


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """A `subscribe` or `unsubscribe`. No product ids are all products; `jwt` is empty if there is none."""

    subscribes: bool
    channel: str
    product_ids: tuple[str, ...] = ()
    jwt: str = ""


def parse(text: str) -> ChannelRequest:
    """Parse a client's message. Raises RefusedMessage."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedMessage(UNREADABLE) from None
    if not isinstance(found, dict) or found.get("type") not in {SUBSCRIBE, "unsubscribe"}:
        raise RefusedMessage(UNREADABLE)
    channel, products, jwt = found.get("channel"), found.get("product_ids") or [], found.get("jwt") or ""
    if not isinstance(channel, str) or not isinstance(jwt, str):
        raise RefusedMessage(UNREADABLE)
    if not isinstance(products, list) or len(products) > MOST_PRODUCTS:
        raise RefusedMessage(UNREADABLE)
    if not all(isinstance(each, str) for each in products):
        raise RefusedMessage(UNREADABLE)
    return ChannelRequest(found["type"] == SUBSCRIBE, channel, tuple(dict.fromkeys(products)), jwt)


def error_text(message: str) -> str:
    """Return the message of an error; the connection stays open."""
    return json.dumps({"type": "error", "message": message}, separators=(",", ":"))
