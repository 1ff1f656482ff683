"""What the master and the process of a strategy send each other: a context as pickle, intents as JSON.

The master never unpickles: what it reads was written by a process that ran the code of a stranger, so it is JSON, is parsed field
by field, and the frame checks it once more.
"""

from __future__ import annotations

import json
import pickle  # only written here; it is read by our own child, from us
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.contracts.exit_plan_record import read_exit_plan, write_exit_plan
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Context, Enter, Exit, Intent

LENGTH_BYTES: Final = 4
LONGEST: Final = 4_000_000
"""Bytes of a reply; an honest one has a few hundred."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to a strategy's process: what it runs. `seconds` after which it ends itself."""

    config: str
    spelt: str
    settings: Mapping[str, Any]
    seconds: float


class BadReplyError(ValueError):
    """A reply that is none; the text says why, or is what the strategy's process said of its failure."""


def packed(payload: bytes) -> bytes:
    """Return a message with its length before it."""
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def write_request(request: Hello | Context) -> bytes:
    """Return a request as a message."""
    return packed(pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL))


def write_reply(reply: Mapping[str, Any]) -> bytes:
    """Return a reply as a message."""
    return packed(json.dumps(reply).encode())


def describe_intents(intents: Sequence[Intent]) -> dict[str, Any]:
    """Return intents that were checked as a reply."""
    return {"intents": [_described(intent) for intent in intents]}


def read_reply(payload: bytes) -> Mapping[str, Any]:
    """Parse a reply. Raises BadReplyError, also for a reply that says what failed."""
    try:
        reply = json.loads(payload)
    except ValueError as error:
        raise BadReplyError(f"its reply cannot be read: {error}") from None
    if not isinstance(reply, dict):
        raise BadReplyError("its reply cannot be read: not an object")
    if "error" in reply:
        raise BadReplyError(str(reply["error"]))
    return reply


def read_intents(reply: Mapping[str, Any]) -> list[Intent]:
    """Parse the intents of a reply. Raises BadReplyError."""
    try:
        return [_intent(row) for row in reply["intents"]]
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise BadReplyError(f"its intents cannot be read: {error!r}") from None


def _described(intent: Intent) -> dict[str, str]:
    row = {"symbol": str(intent.symbol), "reason": intent.reason}
    if isinstance(intent, Exit):
        return {**row, "fraction": str(intent.fraction)}
    return {**row, "share": str(intent.share), "plan": write_exit_plan(intent.plan)}


def _intent(row: Mapping[str, str]) -> Intent:
    symbol, reason = Symbol.parse(row["symbol"]), row["reason"]
    if "share" in row:
        return Enter(symbol, Decimal(row["share"]), reason, read_exit_plan(row["plan"]))
    return Exit(symbol, Decimal(row["fraction"]), reason)
