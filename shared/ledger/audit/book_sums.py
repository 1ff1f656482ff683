"""Proves each named master's book: what is held equals what the reports name as bought and sold for it, and the corrections.

A position is written in one step with the report of its order, so a book that differs was changed by something that Shoal does
not know of: that is a finding. What cannot be compared is none: a book with an order under way, one that changed while it was
read, one that is older than the reports. Only sizes are compared: they add up in any order, an average cost does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from shared.bus.flow.streams import Entry, entry_ms
from shared.contracts.book_corrections import read_corrections
from shared.contracts.fields import MalformedMessageError
from shared.domain.values.money import ZERO
from shared.domain.values.numerals import DECIMAL

_EXACT: Final = Context(prec=120)
_SIGNS: Final = {"buy": 1, "sell": -1}


class BookKey(NamedTuple):
    """A named master's book of a user, at one venue."""

    venue: str
    symbol: str
    master: str


class BookState(StrEnum):
    """How far a book is proven."""

    EQUAL = "equal"
    """It equals reports and corrections."""
    OPEN = "open"
    """An order of it is under way, or it changed while it was read."""
    UNCOVERED = "uncovered"
    """The reports do not go back to where it was empty."""
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class BookRow:
    """One book compared. Sizes in base; `difference` is what neither reports nor corrections account for."""

    user: str
    key: BookKey
    held: Decimal
    reported: Decimal
    corrected: Decimal
    state: BookState

    @property
    def difference(self) -> Decimal:
        """Return what is held less what reports and corrections account for."""
        return minus(minus(self.held, self.reported), self.corrected)


@dataclass(slots=True)
class HeldBooks:
    """The books of one user as read at one moment: sizes, sums of corrections without a report, and what cannot be compared."""

    sizes: Mapping[BookKey, Decimal] = field(default_factory=dict)
    corrections: Mapping[BookKey, Decimal] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Why a position or a correction cannot be read, by venue and symbol."""
    since: Mapping[str, int] = field(default_factory=dict)
    """The instant (epoch ms) at which the books of an account were begun, by venue."""
    renamed: Collection[str] = ()
    """Venues at which the user had or has another name: the reports are divided between two streams."""
    own_exits: Collection[BookKey] = ()
    """Books with an own exit under way."""


class BookSums:
    """What a user's reports say of each named master's book, entry by entry, oldest first."""

    def __init__(self, since: Mapping[str, int]) -> None:
        """`since` by venue: earlier reports are of books that were begun again."""
        self._since = since
        self._sums: dict[BookKey, list[Decimal]] = {}
        self._corrected: dict[BookKey, Decimal] = {}
        self.unreadable: dict[BookKey, str] = {}
        self._ended: set[str] = set()
        self._pending: dict[str, BookKey] = {}

    def add_report(self, entry: Entry) -> None:
        """Add a report."""
        fields = entry.fields
        master, corrected = fields.get("master", ""), fields.get("corrected", "")
        if not master and not corrected:
            return
        self._ended.add(fields.get("order_id", ""))
        venue, symbol = fields.get("venue", ""), fields.get("symbol", "")
        if entry_ms(entry.id) < self._since.get(venue, 0):
            return
        key = BookKey(venue, symbol, master)
        if master:
            moved = _moved(fields)
            if moved is None:
                self.unreadable[key] = f"report {entry.id} states no size that can be read"
                return
            self._add(key, moved)
        try:
            changes = read_corrections(corrected)
        except MalformedMessageError as error:
            self.unreadable[key] = f"report {entry.id}: {error}"
            return
        for name, amount in changes.items():
            book = BookKey(venue, symbol, name)
            self._add(book, amount)
            self._corrected[book] = plus(self._corrected.get(book, ZERO), amount)

    def add_decision(self, entry: Entry) -> None:
        """Note a decision to copy: until it is reported its book may hold a part of it."""
        fields = entry.fields
        if (master := fields.get("master", "")) and fields.get("decision") == "copy":
            key = BookKey(fields.get("venue", ""), fields.get("symbol", ""), master)
            self._pending[fields.get("id", "")] = key

    def drop(self, order_ids: Collection[str]) -> None:
        """Forget decisions that no executor ever read: nothing of them is in a book."""
        for order_id in order_ids:
            self._pending.pop(order_id, None)

    def under_way(self) -> set[BookKey]:
        """Return the books with a decision that no report has ended."""
        return {key for order_id, key in self._pending.items() if order_id not in self._ended}

    def keys(self) -> set[BookKey]:
        """Return the books that reports name."""
        return {*self._sums, *self.unreadable}

    def total(self, key: BookKey) -> Decimal:
        """Return what the reports leave of a book, their corrections included."""
        return self._sums[key][-1] if key in self._sums else ZERO

    def corrected(self, key: BookKey) -> Decimal:
        """Return the sum of the corrections that reports state."""
        return self._corrected.get(key, ZERO)

    def begins_within(self, key: BookKey, held: Decimal) -> bool:
        """Return whether the book was empty at some point within the reports, if it holds this much after them."""
        before = minus(self.total(key), held)
        return before in {ZERO, *self._sums.get(key, ())}

    def _add(self, key: BookKey, amount: Decimal) -> None:
        if amount:
            after = plus(self.total(key), amount)
            self._sums.setdefault(key, []).append(after)


def compare_books(
    user: str, sums: BookSums, held: HeldBooks, later: HeldBooks, *, complete: bool
) -> tuple[list[BookRow], dict[BookKey, str]]:
    """Compare every book of a named master; the second part of the result is why one cannot be read.

    `held` was read before the reports and `later` after them. `complete`: no report was ever removed.
    """
    rows, unreadable = [], dict(sums.unreadable)
    waits = {*sums.under_way(), *held.own_exits, *later.own_exits}
    for key in sorted({*sums.keys(), *held.sizes, *later.sizes, *held.corrections, *later.corrections}):
        if why := later.unreadable.get((key.venue, key.symbol)):
            unreadable[key] = why
        if key in unreadable:
            continue
        size, beside = later.sizes.get(key, ZERO), later.corrections.get(key, ZERO)
        reported = minus(sums.total(key), sums.corrected(key))
        row = BookRow(user, key, size, reported, plus(sums.corrected(key), beside), BookState.EQUAL)
        moving = (held.sizes.get(key, ZERO), held.corrections.get(key, ZERO)) != (size, beside)
        if key in waits or moving:
            row = replace(row, state=BookState.OPEN)
        elif key.venue in later.renamed:
            row = replace(row, state=BookState.UNCOVERED)
        elif row.difference:
            row = replace(row, state=BookState.DIFFERS if complete else _without_the_oldest(row, sums, beside))
        rows.append(row)
    return rows, unreadable


def _without_the_oldest(row: BookRow, sums: BookSums, beside: Decimal) -> BookState:
    """Return how far a book is proven whose oldest reports were removed; they would have left `row.difference` in it."""
    if row.difference < 0 and not beside:
        return BookState.DIFFERS
    return BookState.EQUAL if sums.begins_within(row.key, row.held) else BookState.UNCOVERED


def _moved(fields: Mapping[str, str]) -> Decimal | None:
    """Return what a report's order has changed its book by; None if it cannot be read."""
    amounts = [fields.get(name) or "0" for name in ("filled_size", "fee_base")]
    sign = _SIGNS.get(fields.get("side", ""))
    if sign is None or not all(DECIMAL.fullmatch(each) for each in amounts):
        return None
    size, fee = map(Decimal, amounts)
    return max(minus(size, fee), ZERO) if sign > 0 else minus(ZERO, plus(size, fee))


def plus(one: Decimal, other: Decimal) -> Decimal:
    """Add without rounding."""
    return _EXACT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """Subtract without rounding."""
    return _EXACT.subtract(one, other)
