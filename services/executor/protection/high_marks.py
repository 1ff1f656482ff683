"""The highest price that each book of a position has seen since it was opened: what a trailing stop is measured from."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.executor.account.books.positions import AccountPositions
from shared.domain.position import Position
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol

_STEP: Final = Decimal("1.001")
"""A high is recorded again once it has risen by this factor: a crash loses no more of it."""


class HighMarks:
    """The high marks of one account."""

    def __init__(self, positions: AccountPositions) -> None:
        self._positions = positions
        self._seen: dict[tuple[Symbol, str], Position] = {}

    def clear(self) -> None:
        """Forget all of them: nothing is held any more."""
        self._seen.clear()

    def note(self, master: str, book: Position, price: Price) -> Position:
        """Return a book with its high raised to a price, in memory alone; the next `raised` records it."""
        book = self._seen[book.symbol, master] = self._with_known(master, book).seen(price)
        return book

    async def raised(self, master: str, book: Position, price: Price) -> Position:
        """Return a book with its high raised to a price; recorded only where it has risen by a step."""
        recorded, opened_at = book.high, book.opened_at
        book = self.note(master, book, price)
        high = book.high
        if high is None or (recorded is not None and high.amount < recorded.amount * _STEP):
            return book

        def raise_mark(now: Position | None) -> Position | None:
            held = None if now is None else now.book(master)
            if now is None or held is None or held.size.amount <= 0 or held.opened_at != opened_at:
                return None  # sold meanwhile: another book would begin with this one's high
            return now.with_book(master, held.seen(high))

        await self._positions.correct(book.symbol, raise_mark)
        return book

    def _with_known(self, master: str, book: Position) -> Position:
        known = self._seen.get((book.symbol, master))
        if known is None or known.opened_at != book.opened_at or known.high is None:
            return book
        return book.seen(known.high)
