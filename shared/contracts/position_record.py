"""One field of `shoal:positions:{user}:<venue>`: a copied position, as JSON under its symbol.

Where named masters are copied the record has `books`: what is held for each, the master's name as its key, an empty one for the
main book. They are written with their sum or not at all; a record whose books do not add up to it is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from shared.contracts.fields import (
    VERSION,
    Amount,
    Instant,
    MalformedMessageError,
    Message,
    Positive,
    SymbolField,
    read_json_object,
    type_or_blank,
)
from shared.domain.position import MAIN, Position
from shared.domain.values.master_name import is_master_name
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
    if high != "0" and not position.books and _PLAIN_POSITION.fullmatch(text):
        return text
    fields: dict[str, object] = {**_fields(position)}
    if position.books:
        fields["books"] = {master: _fields(book) for master, book in position.books}
    return json.dumps(fields)


def _fields(position: Position) -> dict[str, str]:
    return PositionRecord(
        symbol=position.symbol,
        base_size=position.size.amount,
        cost=position.cost.amount,
        opened_at=position.opened_at,
        updated_at=position.updated_at,
        high=position.high.amount if position.high else None,
    ).fields()


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
    fields = read_json_object(written)
    position = _position(fields)
    books: object = fields.get("books")
    return position if books is None else _divided(position, books)


def _position(fields: Mapping[str, str]) -> Position:
    record = PositionRecord.parse(fields)
    return Position(
        symbol=record.symbol,
        size=Quantity(record.base_size, record.symbol.base),
        cost=Money(record.cost, record.symbol.quote),
        opened_at=record.opened_at,
        updated_at=record.updated_at,
        high=None if record.high is None else Price(record.high, record.symbol),
    )


def _divided(position: Position, written: object) -> Position:
    """Return a position with its books. Raises MalformedMessageError if they are not what it holds."""
    if not isinstance(written, dict):
        raise MalformedMessageError("PositionRecord.books: must be an object")
    books: dict[str, Position] = {}
    for master, fields in written.items():
        if not isinstance(fields, dict) or (master != MAIN and not is_master_name(master)):
            raise MalformedMessageError(f"PositionRecord.books: {master!r} is not the book of a master")
        books[master] = _position(fields)
    if any(book.symbol != position.symbol for book in books.values()):
        raise MalformedMessageError("PositionRecord.books: one of them is of another symbol")
    found = Position.of_books(position.symbol, books, position.updated_at)
    if (found.size, found.cost) != (position.size, position.cost):
        raise MalformedMessageError("PositionRecord.books: they do not add up to the position")
    return found
