"""What Redis holds of one account's books, kept in memory: positions, risk state and sums of trades, as last read or written.

Only this process writes them, under its lease. Still nothing is written over what it has not seen: an order's end is written only
if the books are as they were read (`BooksAsRead`), and otherwise they are read again. What decides without writing reads them
again after a moment, since a person may have put a record right. It must never outlive its lease: each turn begins with nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.bus.order.book_changes import PositionChange, TotalsChange
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records, pairs, read_held, read_holdings
from shared.domain.position import Holdings, Position
from shared.domain.values.symbol import Symbol

_COUNTED: Final = 2
"""By how much one write moves `OrderStore.writes`."""


@dataclass(slots=True)
class Books:
    """The books as they were read: records by symbol, or the error reply of a key of another type."""

    positions: dict[str, str] | Exception
    risk: dict[str, str] | Exception
    writes: int
    """The count of the store's writes (`OrderStore.writes`) at which this is what Redis holds."""
    read_at: float
    """Steady instant, seconds."""
    totals: dict[str, Any] = field(default_factory=dict)
    """The sums of trades by symbol, as far as they were needed."""
    parsed: dict[str, Position | None] = field(default_factory=dict)
    all: Holdings | None = None

    def record(self, symbol: str) -> str:
        """Return the record of a position; empty if there is none."""
        return "" if isinstance(self.positions, Exception) else self.positions.get(symbol, "")

    def position(self, symbol: str) -> Position | None:
        """Return what is held of a symbol; None if nothing. Raises MalformedMessageError."""
        if symbol not in self.parsed:
            held = self.positions
            self.parsed[symbol] = read_held(held if isinstance(held, Exception) else held.get(symbol))
        return self.parsed[symbol]

    def holdings(self) -> Holdings:
        """Return all positions, and name the records that cannot be read."""
        if self.all is None:
            self.all = read_holdings(self.positions)
        return self.all


class RecordedBooks:
    """The books of one account under one lease."""

    def __init__(self, records: Records, store: OrderStore, user: str, venue: str) -> None:
        self._records = records
        self._store = store
        self._user = user
        self._venue = venue
        self._books: Books | None = None

    async def read(self, within: float | None = None) -> Books:
        """Return the books from memory, if they were read at most `within` seconds ago; else read them. Raises BusUnavailable."""
        books = self._known()
        if books is None or (within is not None and time.monotonic() - books.read_at > within):
            books = await self._read(None)
        return books

    async def before_fill(self, symbol: Symbol) -> Books:
        """Return the books with the sums of a symbol's trades, from memory as far as they are known. Raises BusUnavailable."""
        books = self._known()
        if books is None or str(symbol) not in books.totals:
            books = await self._read(symbol)
        return books

    def forget(self) -> None:
        """Read them again before they are used: Redis holds other ones."""
        self._books = None

    def wrote(
        self,
        books: Books,
        position: PositionChange | None = None,
        risk: Mapping[str, str] | None = None,
        totals: TotalsChange | None = None,
    ) -> None:
        """Note what was written over `books`. If anything else was written or read meanwhile, they are read again first."""
        alone = self._books is books and self._store.writes == books.writes + _COUNTED
        if isinstance(books.positions, Exception) or isinstance(books.risk, Exception) or not alone:
            self.forget()
            return
        if position is not None:
            books.parsed.pop(position.symbol, None)
            books.all = None
            if position.record is None:
                books.positions.pop(position.symbol, None)
            else:
                books.positions[position.symbol] = position.record
        if risk is not None:
            books.risk.update(risk)
        if totals is not None:
            books.totals[totals.symbol] = totals.record
        books.writes = self._store.writes

    def _known(self) -> Books | None:
        books = self._books
        return books if books is not None and books.writes == self._store.writes else None

    async def _read(self, symbol: Symbol | None) -> Books:
        writes, read_at = self._store.writes, time.monotonic()
        risk, held, totals = await self._records.books_of(self._user, self._venue, symbol)
        books = Books(_hash(held), _hash(risk), writes, read_at)
        if symbol is not None:
            books.totals[str(symbol)] = totals
        before = self._known()
        if before is not None:  # the sums are compared whenever they are written
            books.totals = before.totals | books.totals
        refused = isinstance(books.positions, Exception) or isinstance(books.risk, Exception)
        self._books = None if refused else books  # a key of another type may be put right any moment
        return books


def _hash(answer: Any) -> dict[str, str] | Exception:
    return answer if isinstance(answer, Exception) else pairs(answer)
