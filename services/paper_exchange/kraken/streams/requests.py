"""The messages of a client, parsed and checked as far as they can be without the exchange."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from services.paper_exchange.kraken.market_data import INTERVALS
from services.paper_exchange.kraken.streams import errors
from services.paper_exchange.kraken.streams.errors import StreamRefusal, unsupported_field, wrong_type

_SUBSCRIPTION: Final = frozenset({"method", "req_id", "params"})
METHODS: Final = {
    "subscribe": _SUBSCRIPTION,
    "unsubscribe": _SUBSCRIPTION,
    "ping": frozenset({"method", "req_id"}),
}
"""The methods that are served, and the fields of each. Orders are placed by REST alone."""
PRIVATE: Final = frozenset({"executions", "balances"})
PER_SYMBOL: Final = frozenset({"ticker", "ohlc"})
FIELDS: Final = {
    "executions": frozenset({
        "token", "snap_orders", "snap_trades", "order_status", "ratecounter", "rebased", "users", "snapshot",
        "snapshot_trades",
    }),
    "balances": frozenset({"token", "snapshot", "rebased", "users"}),
    "ticker": frozenset({"symbol", "event_trigger", "snapshot"}),
    "ohlc": frozenset({"symbol", "interval", "snapshot"}),
    "instrument": frozenset({"snapshot", "include_tokenized_assets", "execution_venue"}),
}  # fmt: skip
"""The parameters of each channel, beside its name."""
EVENTS: Final = frozenset({"trades", "bbo"})


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer repeats of a message; without a method if it is none. `body` is the message."""

    method: str = ""
    req_id: int | None = None
    body: dict[str, Any] = field(default_factory=dict, repr=False)  # it may have a token


@dataclass(frozen=True, slots=True)
class Request:
    """One checked message of a client."""

    head: Head
    channel: str = ""
    params: dict[str, Any] = field(default_factory=dict, repr=False)

    def flag(self, name: str, default: bool) -> bool:
        """Return a parameter that is true or false. Raises StreamRefusal."""
        value = self.params.get(name, default)
        if not isinstance(value, bool):
            raise wrong_type(name, "a boolean")
        return value

    @property
    def symbols(self) -> list[str]:
        """Return the symbols, in the order that they are named. Raises StreamRefusal."""
        found = self.params.get("symbol")
        if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
            raise wrong_type("symbol", "an array")
        return list(dict.fromkeys(found))

    @property
    def interval(self) -> int:
        """Return the interval of candles, in minutes. Raises StreamRefusal."""
        found = self.params.get("interval", 1)
        if isinstance(found, bool) or not isinstance(found, int):
            raise StreamRefusal(errors.INTERVAL_NOT_A_NUMBER)
        if found not in INTERVALS:
            raise StreamRefusal(errors.INTERVAL_UNKNOWN)
        return found

    @property
    def event_trigger(self) -> str:
        """Return what makes a ticker speak. Raises StreamRefusal."""
        found = self.params.get("event_trigger", "trades")
        if found not in EVENTS:
            raise StreamRefusal("Event_trigger not supported")
        return str(found)


def read_head(text: str) -> Head:
    """Read as much of a message as an answer needs, whatever the message is."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("method"), str):
        return Head()
    req_id = body.get("req_id")
    whole = isinstance(req_id, int) and not isinstance(req_id, bool)
    return Head(body["method"], req_id if whole else None, body)


def read_request(head: Head) -> Request:
    """Check a message. Raises StreamRefusal."""
    method, body = head.method, head.body
    if not method:
        raise StreamRefusal(errors.MALFORMED)
    if head.req_id is None and body.get("req_id") is not None:
        raise wrong_type("req_id", "an integer")
    if method not in METHODS:
        raise StreamRefusal(errors.UNSUPPORTED_METHOD)
    for name in sorted(body.keys() - METHODS[method]):
        raise unsupported_field(name, method)
    return Request(head) if method == "ping" else _subscription(head, body.get("params"))


def _subscription(head: Head, params: Any) -> Request:
    channel = params.get("channel") if isinstance(params, dict) else None
    if not isinstance(channel, str):
        raise StreamRefusal(errors.MALFORMED)
    if channel not in FIELDS:
        raise StreamRefusal(errors.UNKNOWN_CHANNEL)
    for name in sorted(params.keys() - FIELDS[channel] - {"channel"}):
        raise unsupported_field(name, head.method)
    return Request(head, channel, params)
