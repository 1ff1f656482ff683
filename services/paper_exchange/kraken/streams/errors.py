"""The texts with which Kraken's WebSocket v2 refuses a request (KRAKEN.md, K32: which are recorded and which are inferred)."""

from __future__ import annotations

from typing import Final

INVALID_SESSION: Final = "ESession:Invalid session"
PERMISSION_DENIED: Final = "EGeneral:Permission denied"
NO_TOKEN: Final = "Token(s) not found"  # noqa: S105  # a text about tokens
ALREADY: Final = "Already subscribed"
NOT_SUBSCRIBED: Final = "Subscription Not Found"
UNSUPPORTED_METHOD: Final = "Unsupported event"
MALFORMED: Final = "Malformed request"
UNKNOWN_CHANNEL: Final = "Subscription name invalid"
INTERVAL_NOT_A_NUMBER: Final = "Subscription ohlc interval must be an integer"
INTERVAL_UNKNOWN: Final = "Subscription ohlc interval not supported"
MESSAGE_RATE: Final = '{"Error":"Exceeded msg rate"}'
"""A whole message, without the fields of others (docs.kraken.com, websocket rate limits)."""


class StreamRefusal(Exception):  # noqa: N818  # an answer of the venue, not a failure of ours
    """The venue refuses a request, or the part of it that concerns one symbol."""

    def __init__(self, text: str, symbol: str = "") -> None:
        super().__init__(text)
        self.symbol = symbol


def unsupported_field(field: str, method: str) -> StreamRefusal:
    """Return the refusal of a field that a message does not have."""
    return StreamRefusal(f"Unsupported field: '{field}' for the given msg type: {method}")


def wrong_type(field: str, wanted: str) -> StreamRefusal:
    """Return the refusal of a field with a value of another type."""
    return StreamRefusal(f"{field.capitalize()} field must be {wanted}")


def unknown_pair(symbol: str) -> StreamRefusal:
    """Return the refusal of a symbol: of its form, or because there is no such pair (`XBT/USD` is BTC/USD here)."""
    if symbol.count("/") != 1:
        return StreamRefusal(f"Currency pair not in ISO 4217-A3 format {symbol}", symbol)
    return StreamRefusal(f"Currency pair not supported {symbol}", symbol)
