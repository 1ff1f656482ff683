"""One field of `shoal:positions:{user}:<venue>`: a copied position, as JSON under its symbol."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated

from shared.contracts.fields import (
    Amount,
    Instant,
    Message,
    Positive,
    SymbolField,
    read_json_object,
    type_or_blank,
)
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity


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
    record = PositionRecord.parse(read_json_object(written))
    return Position(
        symbol=record.symbol,
        size=Quantity(record.base_size, record.symbol.base),
        cost=Money(record.cost, record.symbol.quote),
        opened_at=record.opened_at,
        updated_at=record.updated_at,
        high=None if record.high is None else Price(record.high, record.symbol),
    )
