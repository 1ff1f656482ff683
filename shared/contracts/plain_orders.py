"""Reads a decision to copy as the engine writes it, past the schema: it is on every order's way before the order leaves.

What is not written so, or not in every field, is for the schema: it reads what may be read otherwise, and names what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from shared.contracts.fields import VERSION
from shared.contracts.messages import OrderMessage
from shared.domain.order import Copy, Decision, Kind, Side
from shared.domain.values.master_name import is_master_name
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.numerals import DECIMAL
from shared.domain.values.symbol import Symbol

_ID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_AMOUNT: Final = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_POSITIVE: Final = rf"(?!0+(?:\.0*)? ){_AMOUNT}"
_FRACTION: Final = r"(?!0+(?:\.0*)? )(?:1|0\.[0-9]{1,40})"
_INSTANT: Final = r"[0-9]{1,13}"
_SYMBOL: Final = r"[A-Z0-9.]{1,16}/[A-Z0-9.]{1,16}"
_FIELDS: Final = (
    "v",
    "decision",
    "id",
    "signal_id",
    "symbol",
    "side",
    "kind",
    "base_size",
    "fraction",
    "limit_price",
    "not_after",
    "master_equity",
    "user_equity",
    "signal_at",
    "emitted_at",
)
_COPY: Final = re.compile(
    rf"{VERSION} copy ({_ID}) ({_ID}) ({_SYMBOL}) "
    rf"(?:(buy) entry ({_POSITIVE})  ({_POSITIVE}) ({_INSTANT})|sell exit  ({_FRACTION}) ((?:{_POSITIVE})?) ) "
    rf"((?:{_AMOUNT})?) ((?:{_AMOUNT})?) ({_INSTANT}) ((?:{_INSTANT})?)"
)


def read_decision(fields: Mapping[str, str]) -> Decision:
    """Return the decision that the fields of an entry hold. Raises MalformedMessageError."""
    get = fields.get
    match = _COPY.fullmatch(" ".join([get(name, "-") for name in _FIELDS]))
    user, venue, reason = get("user"), get("venue"), get("reason")
    if (
        match is None
        or user is None
        or venue is None
        or reason is None
        or "code" in fields
        or not _is_master(get("master", ""))
    ):
        return OrderMessage.parse(fields).to_domain()
    order_id, signal_id, name, buys, size, limit, not_after, fraction, least, masters, users, signal_at, emitted_at = (
        match.groups()
    )
    symbol = Symbol.parse(name)
    if buys:
        copy = Copy(Quantity(Decimal(size), symbol.base), None, Price(Decimal(limit), symbol), int(not_after))
    else:
        copy = Copy(None, Decimal(fraction), Price(Decimal(least), symbol) if least else None, None)
    return Decision(
        order_id,
        signal_id,
        user,
        venue,
        symbol,
        Side.BUY if buys else Side.SELL,
        Kind.ENTRY if buys else Kind.EXIT,
        copy,
        reason,
        Money(Decimal(masters), symbol.quote) if masters else None,
        Money(Decimal(users), symbol.quote) if users else None,
        int(signal_at),
        int(emitted_at or signal_at),
        master_order_id=get("master_order_id", ""),
        stage=get("stage", ""),
        multiplier=_noted(get("multiplier", "")),
        master=get("master", ""),
    )


def _is_master(name: str) -> bool:
    return not name or is_master_name(name)


def _noted(written: str) -> Decimal | None:
    """Return a number that nothing depends on; None for what cannot be read, as the schema does."""
    return Decimal(written) if DECIMAL.fullmatch(written) else None
