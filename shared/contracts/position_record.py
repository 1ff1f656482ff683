"""One field of `shoal:positions:{user}:<venue>`: a copied position, as JSON under its symbol."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from shared.contracts.fields import (
    VERSION,
    Amount,
    Instant,
    Message,
    Positive,
    SymbolField,
    read_json_object,
    type_or_blank,
)
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

_NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_PLAIN_POSITION: Final = re.compile(
    rf'{{"v": "{VERSION}", "symbol": "([A-Z0-9.]{{1,16}}/[A-Z0-9.]{{1,16}})", "base_size": "({_NUMBER})", "cost": "({_NUMBER})", '
    rf'"opened_at": "([0-9]{{1,13}})", "updated_at": "([0-9]{{1,13}})", "high": "((?:{_NUMBER})?)"}}'
)
"""A position as Shoal writes it, which needs no schema to be read: every fill reads and writes one."""


class PositionRecord(Message):
    """One field of `shoal:positions:{user}:<venue>`: JSON text under the symbol."""

    symbol: SymbolField
    base_size: Amount
    cost: Amount
    opened_at: Instant
    updated_at: Instant
    high: Annotated[Positive | None, type_or_blank] = None


def write_position(position: Position) -> str:
    """Return a position as the text of its field."""
    high = "" if position.high is None else plain(position.high.amount)
    text = (
        f'{{"v": "{VERSION}", "symbol": "{position.symbol}", "base_size": "{plain(position.size.amount)}", '
        f'"cost": "{plain(position.cost.amount)}", "opened_at": "{position.opened_at}", '
        f'"updated_at": "{position.updated_at}", "high": "{high}"}}'
    )
    if high != "0" and _PLAIN_POSITION.fullmatch(text):
        return text
    return json.dumps(
        PositionRecord(
            symbol=position.symbol,
            base_size=position.size.amount,
            cost=position.cost.amount,
            opened_at=position.opened_at,
            updated_at=position.updated_at,
            high=position.high.amount if position.high else None,
        ).fields()
    )


@lru_cache(maxsize=16_384)
def read_position(written: str) -> Position:
    """Parse a position. Raises MalformedMessageError. Cached: positions are read every second and seldom change."""
    if (match := _PLAIN_POSITION.fullmatch(written)) is not None:
        name, size, cost, opened, updated, high = match.groups()
        symbol, highest = Symbol.parse(name), Decimal(high) if high else None
        if highest is None or highest > 0:
            return Position(
                symbol,
                Quantity(Decimal(size), symbol.base),
                Money(Decimal(cost), symbol.quote),
                int(opened),
                int(updated),
                None if highest is None else Price(highest, symbol),
            )
    record = PositionRecord.parse(read_json_object(written))
    return Position(
        symbol=record.symbol,
        size=Quantity(record.base_size, record.symbol.base),
        cost=Money(record.cost, record.symbol.quote),
        opened_at=record.opened_at,
        updated_at=record.updated_at,
        high=None if record.high is None else Price(record.high, record.symbol),
    )
