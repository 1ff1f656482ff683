"""Corrections of books on the wire: the field `corrected` of a report, and the fields of `shoal:corrections:{user}:<venue>`.

A report states what its own step has changed. What no report belongs to is summed up in the hash: one field for each book, named
`<symbol> <master>`, with the sum of all its corrections in base.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from shared.contracts.fields import MalformedMessageError, read_json_object
from shared.domain.values.master_name import is_master_name
from shared.domain.values.money import plain
from shared.domain.values.numerals import DECIMAL
from shared.domain.values.symbol import Symbol


def write_corrections(changes: Mapping[str, Decimal]) -> str:
    """Return the corrections of books by master as one text; an empty one if there are none."""
    return json.dumps({master: plain(amount) for master, amount in changes.items()}) if changes else ""


def read_corrections(written: str) -> dict[str, Decimal]:
    """Parse the field of a report. Raises MalformedMessageError."""
    if not written:
        return {}
    found = {}
    for master, amount in read_json_object(written).items():
        if not is_master_name(master):
            raise MalformedMessageError(f"corrected: {master!r} is not the name of a master")
        found[master] = read_amount(amount)
    return found


def read_amount(written: object) -> Decimal:
    """Parse one amount, with a minus if the book lost it. Raises MalformedMessageError."""
    if not isinstance(written, str) or not DECIMAL.fullmatch(written):
        raise MalformedMessageError(f"corrected: {written!r} is not an amount")
    return Decimal(written)


def correction_field(symbol: Symbol, master: str) -> str:
    """Return the name of a book's field."""
    return f"{symbol} {master}"


def read_correction_field(field: str) -> tuple[Symbol, str]:
    """Parse the name of a field to symbol and master. Raises ValueError."""
    name, _, master = field.partition(" ")
    if not is_master_name(master):
        raise ValueError(f"{master!r} is not the name of a master")
    return Symbol.parse(name), master
