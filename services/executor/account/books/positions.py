"""What one account holds from copying, as recorded, with the lock and the event for every change of it.

Symbols are traded side by side, and corrections happen beside orders: a position must never be written without holding `booking`
since it was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from services.executor.account.books.recorded import Books, RecordedBooks
from services.executor.account.faults import AccountFaults
from shared.bus.order.book_changes import PositionChange
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records
from shared.contracts.fields import MalformedMessageError
from shared.contracts.position_record import write_position
from shared.domain.book_corrections import book_corrections
from shared.domain.fault import FaultKind
from shared.domain.position import Holdings, Position
from shared.domain.rename import Renames
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.runtime.wake_up import WakeUp

_RECENT: Final = 15.0
"""Seconds after which books in memory are read again by what only looks at them."""

log = structlog.get_logger()


class AccountPositions:
    """The positions of one account under one lease. `venue` is its name, `clock` gives the venue's time."""

    def __init__(
        self,
        user: str,
        venue: str,
        records: Records,
        store: OrderStore,
        clock: Callable[[], int],
        faults: AccountFaults,
    ) -> None:
        self.user = user
        self.venue = venue
        self._records = records
        self._store = store
        self._clock = clock
        self._faults = faults
        self.recorded = RecordedBooks(records, store, user, venue)
        """The books in memory."""
        self.booking = asyncio.Lock()
        """Held from reading a position or the risk state to writing it."""
        self.changed = WakeUp()
        """Set when a position or a setting has changed: the guardian looks at once."""

    async def of(self, symbol: Symbol) -> Position | None:
        """Read the position of a symbol. Raises MalformedMessageError."""
        return await self._records.position(self.user, self.venue, symbol)

    async def book(self, symbol: Symbol, master: str) -> Position | None:
        """Read what is held of a symbol for one master; None if nothing. Raises MalformedMessageError."""
        position = await self.of(symbol)
        book = None if position is None else position.book(master)
        return book if book is not None and book.size.amount > 0 else None

    async def with_price(self, symbol: Symbol) -> tuple[Position | None, tuple[Price, int] | None]:
        """Read a position with its published price and the price's instant. Raises MalformedMessageError."""
        return await self._records.holding(self.user, self.venue, symbol)

    async def all(self) -> Holdings:
        """Read all positions, and name the records that cannot be read."""
        return await self._records.holdings(self.user, self.venue)

    def before_fill(self, books: Books, symbol: Symbol, otherwise: str) -> Position | None:
        """Return a position, a flat one if there is none.

        None, and reported, if its record cannot be read: the end of an order must not wait for that. `otherwise` says what is
        left out then.
        """
        try:
            found = books.position(str(symbol))
        except MalformedMessageError as error:
            reason = f"the record cannot be read, {otherwise}: {error}"
            self._faults.report(FaultKind.RECORD, reason, f"position {symbol}")
            log.error("a position cannot be read", user=self.user, symbol=str(symbol), reason=reason)
            return None
        return found or Position.flat(symbol, self._clock())

    async def recent(self) -> Books:
        """Return the books as they were a moment ago at most: for what looks at them again and again. Raises BusUnavailable."""
        books = await self.recorded.read(_RECENT)
        # A person may have put right what could not be read.
        return await self.recorded.read(0.0) if books.holdings().unreadable else books

    async def readable(self) -> Mapping[Symbol, Position]:
        """Return all positions as they were a moment ago, if every record can be read. Raises MalformedMessageError."""
        try:
            return (await self.recent()).holdings().whole()
        except ValueError as error:
            raise MalformedMessageError(str(error)) from None

    async def correct(self, symbol: Symbol, corrected: Callable[[Position | None], Position | None]) -> None:
        """Change a position without an order; `corrected` makes the new one from the present one, or None for no change.

        Raises MalformedMessageError, LeaseLost, BusUnavailable.
        """
        async with self.booking:
            before = await self.of(symbol)
            after = corrected(before)
            if after is not None:
                record = write_position(after) if after.size.amount > 0 else None
                changes = book_corrections(before, after) if before is not None and before.books else {}
                books = await self.recorded.read()
                change = PositionChange(str(symbol), record)
                await self._store.correct(change, changes)
                self.recorded.wrote(books, change)

    async def move(self, old: Symbol, new: Symbol, renames: Renames) -> bool:
        """Move a position to another name of its symbol; False if there is none, or if an order has changed it since.

        Raises MalformedMessageError, LeaseLost, BusUnavailable.
        """
        async with self.booking:
            moved = await self._store.move_position(old, new, renames)
        if moved:
            await self.write_differences({}, gone=[str(old)])
        return moved

    async def differences(self) -> dict[str, str]:
        """Read the differences from the venue's balances that have been reported, by symbol."""
        return await self._records.differences(self.user, self.venue)

    async def write_differences(self, found: Mapping[str, str], gone: Iterable[str]) -> None:
        """Record differences that were found, and drop those that are gone."""
        await self._records.write_differences(self.user, self.venue, found, gone)
