"""Positions: what a user holds from copying, by symbol, and what it cost.

A position only grows by fills of copied entries, so an exit that is sized by it never sells what the user bought on their own.
Where named masters are copied, it is divided into books, one per master (MASTERS.md): they add up to it, in size and in cost, and
a fill for one master changes no other book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity, floor_to
from shared.domain.values.symbol import Symbol

EVERY_POSITION: Final = "every position"
"""Used as the name of an unreadable record where not even the names can be read."""

MAIN: Final = ""
"""The book of the master that is named after a venue: all of a position where no named master is copied."""

_COST_STEP: Final = Decimal("1E-12")
_SIZE_STEP: Final = Decimal("1E-12")
_WIDE: Final = Context(prec=80)
_DOWN: Final = Context(prec=80, rounding=ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a user holds from copying, as far as its records can be read; `unreadable` maps the name of a record to the error.

    Code that protects or sells continues with the readable positions. Code that needs all of them must call `whole()`.
    """

    positions: Mapping[Symbol, Position]
    unreadable: Mapping[str, str]

    def whole(self) -> Mapping[Symbol, Position]:
        """Return all positions. Raises ValueError that names the records that cannot be read."""
        if self.unreadable:
            errors = [f"the position of {name} cannot be read: {why}" for name, why in self.unreadable.items()]
            raise ValueError("; ".join(errors))
        return self.positions

    def may_hold(self, asset: str) -> bool:
        """Return whether one of the unreadable records may be of this asset."""
        return any(name.partition("/")[0] in {asset, EVERY_POSITION} for name in self.unreadable)


@dataclass(frozen=True, slots=True)
class Position:
    """What a user holds of a symbol from copying, and what it cost. Never what the user bought on their own."""

    symbol: Symbol
    size: Quantity
    cost: Money
    opened_at: int
    updated_at: int
    high: Price | None = None
    """The highest price seen since it was opened, for a trailing stop; None if no price was seen yet."""
    books: tuple[tuple[str, Position], ...] = ()
    """What it is divided into, by master and in the order of their names: none of them empty. Without a named master's book there
    are none, and all of it is in the main book."""

    @staticmethod
    def flat(symbol: Symbol, at: int) -> Position:
        """Return the empty position."""
        return Position(symbol, Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), at, at)

    @staticmethod
    def of_books(symbol: Symbol, books: Mapping[str, Position], at: int) -> Position:
        """Return the position that is the sum of these books; a flat one as of `at` if they are empty."""
        kept = sorted((master, book) for master, book in books.items() if book.size.amount > 0)
        if not kept:
            return books.get(MAIN) or Position.flat(symbol, at)
        if [master for master, _ in kept] == [MAIN]:
            return kept[0][1]
        parts = [book for _, book in kept]
        highs = [book.high for book in parts if book.high is not None]
        return Position(
            symbol,
            Quantity(_sum(book.size.amount for book in parts), symbol.base),
            Money(_sum(book.cost.amount for book in parts), symbol.quote),
            min(book.opened_at for book in parts),
            max(book.updated_at for book in parts),
            max(highs, key=lambda high: high.amount, default=None),
            tuple(kept),
        )

    def split(self) -> Mapping[str, Position]:
        """Return what is held for each master; the main book alone where nothing is divided."""
        if self.books:
            return dict(self.books)
        return {MAIN: self} if self.size.amount > 0 else {}

    def book(self, master: str) -> Position:
        """Return what is held for one master; a flat position if nothing is."""
        if not self.books and master == MAIN:
            return self
        return self.split().get(master) or Position.flat(self.symbol, self.updated_at)

    def with_book(self, master: str, book: Position) -> Position:
        """Return the position with another content of one book; every other book stays as it is."""
        return Position.of_books(self.symbol, {**self.split(), master: book}, book.updated_at)

    def bought(self, size: Quantity, cost: Money, at: int, price: Price | None = None) -> Position:
        """Return the position after a buy: `size` net of a fee in base, `cost` including fees, `price` the average fill price.

        It is the main book's; that of another master is bought by `with_book`.
        """
        if self.books:
            return self.with_book(MAIN, self.book(MAIN).bought(size, cost, at, price))
        new = self.size.amount == 0
        opened = at if new else self.opened_at
        high = None if new else self.high
        held = Position(self.symbol, self.size + size, self.cost + cost, opened, at, high)
        return held if price is None else held.seen(price)

    def seen(self, price: Price) -> Position:
        """Return the position with its high-water mark raised to a price; the same object if the mark is not below it."""
        if self.books:
            return Position.of_books(
                self.symbol, {master: book.seen(price) for master, book in self.books}, self.updated_at
            )
        return replace(self, high=price) if self.high is None or self.high.amount < price.amount else self

    def sold(self, size: Quantity, at: int) -> Position:
        """Return the position after a sale; the cost shrinks in proportion. Selling more than is held leaves zero, no debt.

        The cost that is left is rounded to 12 decimals, so that what sales have made and the cost that is left add up exactly.
        A divided position loses in proportion from every book: a sale for one master is one of its book (`with_book`).
        """
        if self.size <= size:
            flat = Quantity(ZERO, size.asset)
            return replace(self, size=flat, cost=self.cost.scaled(ZERO), updated_at=at, books=())
        if self.books:
            return self._lowered(size.amount, at)
        left = self.size - size
        kept = _WIDE.divide(_WIDE.multiply(self.cost.amount, left.amount), self.size.amount)
        cost = Money(_WIDE.quantize(kept, _COST_STEP), self.cost.currency)
        return replace(self, size=left, cost=cost, updated_at=at)

    def missing(self, size: Quantity, master: str, at: int) -> Position:
        """Return the position after an exit for `master` found `size` of it gone: from its book first, the rest from all."""
        book = self.book(master)
        taken = min(size, book.size, key=lambda each: each.amount)
        left = self if taken.amount <= 0 else self.with_book(master, book.sold(taken, at))
        return left if size <= taken else left.sold(size - taken, at)

    def _lowered(self, amount: Decimal, at: int) -> Position:
        """Take less than all of it from all books, in proportion to their sizes; exactly `amount` in the end."""
        share = _DOWN.divide(amount, self.size.amount)
        taken = {
            master: _DOWN.quantize(_DOWN.multiply(book.size.amount, share), _SIZE_STEP) for master, book in self.books
        }
        rest = _WIDE.subtract(amount, _sum(taken.values()))
        for master, book in self.books:
            more = min(rest, _WIDE.subtract(book.size.amount, taken[master]))
            taken[master], rest = _WIDE.add(taken[master], more), _WIDE.subtract(rest, more)
        lowered = {
            master: book.sold(Quantity(taken[master], book.size.asset), at) if taken[master] else book
            for master, book in self.books
        }
        return Position.of_books(self.symbol, lowered, at)

    def portion(self, fraction: Decimal, lot_step: Decimal) -> Quantity:
        """Return the amount that an exit of `fraction` (0..1] sells of what is held, floored to the lot."""
        wanted = self.size.amount if fraction >= ONE else self.size.amount * fraction
        return Quantity(floor_to(wanted, lot_step), self.size.asset)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = _WIDE.add(total, amount)
    return total
