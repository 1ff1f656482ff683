"""What an order changes in an account's books, what that was computed from, and the words in which the scripts take both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.bus.flow.streams import flatten


@dataclass(frozen=True, slots=True)
class PositionChange:
    """A change of the positions hash; a record of None removes the symbol."""

    symbol: str
    record: str | None


@dataclass(frozen=True, slots=True)
class TotalsChange:
    """A change of the sums of one symbol's trades."""

    symbol: str
    record: str


@dataclass(frozen=True, slots=True)
class BooksAsRead:
    """What the changes of an order were computed from: records as Redis had them, empty where there was none."""

    position: str
    risk: Mapping[str, str]
    totals: str


class BooksChanged(Exception):  # noqa: N818  # the caller reads again; nothing has failed
    """Nothing was written: the books are not as they were read."""


def position_words(position: PositionChange | None) -> list[str]:
    """Return the symbol and the record of a position that changes, both empty if none does."""
    return ["", ""] if position is None else [position.symbol, position.record or ""]


def totals_words(totals: TotalsChange | None) -> list[str]:
    """Return the symbol and the record of sums that change, both empty if none do."""
    return ["", ""] if totals is None else [totals.symbol, totals.record]


def as_read_words(books: BooksAsRead | None, risk: Mapping[str, str] | None) -> list[str]:
    """Return how the books were read (see `lua/settle.lua`): of the risk state, the fields of `risk`, which are written."""
    if books is None:
        return ["", "", "", ""]
    before = "\n".join([books.risk.get(name, "") for name in risk or ()])
    return ["1", books.position, books.totals, before]


def counted_words(fields: Mapping[str, str] | None) -> list[str | int]:
    """Return the fields as a flat list, preceded by its length, which may be 0."""
    return [len(fields or {}) * 2, *flatten(fields or {})]
