"""What the master and the process of a strategy send each other: JSON with its length before it.

Nothing is unpickled, in neither direction: the process runs the code of a stranger, so what it replies is parsed field by field,
and the frame checks it once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.contracts.exit_plan_record import read_exit_plan, write_exit_plan
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Context, Enter, Exit, Holding, Intent
from shared.venues.port import Candle

LENGTH_BYTES: Final = 4
LONGEST: Final = 4_000_000
"""Bytes of a reply; an honest one has a few hundred."""
BEGUN: Final[Mapping[str, Any]] = {"begun": True}
"""Replied when a context has been read: from then on the strategy's time counts."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to a strategy's process: what it runs. `seconds` are those of a decision."""

    config: str
    spelt: str
    settings: Mapping[str, Any]
    seconds: float


class BadReplyError(ValueError):
    """A reply that is none; the text says why, or is what the strategy's process said of its failure."""


def pack(message: Mapping[str, Any]) -> bytes:
    """Return a message as bytes, with their number before them."""
    payload = json.dumps(message, default=str).encode()  # TOML has dates
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def describe_hello(hello: Hello) -> dict[str, Any]:
    """Return the first message."""
    return {"config": hello.config, "spelt": hello.spelt, "settings": hello.settings, "seconds": hello.seconds}


def describe_context(context: Context) -> dict[str, Any]:
    """Return a context as a message; decimals are texts, so that they stay what they are."""
    return {
        "now": context.now,
        "equity": [str(context.equity.amount), context.equity.currency],
        "candles": {
            str(symbol): [
                (each.opened_at, str(each.open), str(each.high), str(each.low), str(each.close), str(each.volume))
                for each in candles
            ]
            for symbol, candles in context.candles.items()
        },
        "holdings": {
            str(symbol): [
                str(held.size.amount),
                str(held.average_price.amount),
                held.opened_at,
                write_exit_plan(held.plan),
            ]
            for symbol, held in context.holdings.items()
        },
    }


def read_context(message: Mapping[str, Any]) -> Context:
    """Return the context of a message."""
    amount, currency = message["equity"]
    return Context(
        now=message["now"],
        candles={
            Symbol.parse(name): [Candle(at, *map(Decimal, values)) for at, *values in rows]
            for name, rows in message["candles"].items()
        },
        holdings={Symbol.parse(name): _holding(Symbol.parse(name), row) for name, row in message["holdings"].items()},
        equity=Money(Decimal(amount), currency),
    )


def describe_intents(intents: Sequence[Intent]) -> dict[str, Any]:
    """Return intents that were checked as a reply."""
    return {"intents": [_described(intent) for intent in intents]}


def read_reply(payload: bytes) -> Mapping[str, Any]:
    """Parse a reply. Raises BadReplyError, also for a reply that says what failed."""
    try:
        reply = json.loads(payload)
    except (ValueError, RecursionError) as error:
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


def _holding(symbol: Symbol, row: Sequence[Any]) -> Holding:
    size, price, opened_at, plan = row
    return Holding(Quantity(Decimal(size), symbol.base), Price(Decimal(price), symbol), opened_at, read_exit_plan(plan))


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
