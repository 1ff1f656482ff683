"""Reads the books of named masters of one user, as they are held, with what the audit must know to compare them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from shared.bus.client.wire import hgetall
from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.book_corrections import read_amount, read_correction_field
from shared.contracts.own_exit import read_own_exit_field
from shared.contracts.position_record import read_position
from shared.domain.position import MAIN
from shared.domain.values.numerals import whole
from shared.domain.values.venue import VENUES
from shared.ledger.audit.book_sums import BookKey, HeldBooks


async def read_held_books(bus: Bus, user: str) -> HeldBooks:
    """Read the books of named masters of a user at every venue, in one round trip. Raises BusUnavailable."""
    answers = await bus.do_all([command for venue in VENUES for command in _commands(user, venue)])
    count = len(answers) // len(VENUES)
    sizes, corrections, unreadable, since, renamed, exits = {}, {}, {}, {}, [], []
    for place, venue in enumerate(VENUES):
        positions, beside, mark, own = answers[place * count : (place + 1) * count]
        for symbol, written in pairs(positions).items():
            try:
                books = read_position(written).split()
            except ValueError as error:  # MalformedMessageError is one
                unreadable[str(venue), symbol] = str(error)
                continue
            sizes.update(
                {BookKey(venue, symbol, name): book.size.amount for name, book in books.items() if name != MAIN}
            )
        for name, written in pairs(beside).items():
            symbol, _, master = name.partition(" ")
            try:
                read_correction_field(name)
                corrections[BookKey(venue, symbol, master)] = read_amount(written)
            except ValueError as error:
                unreadable[str(venue), symbol] = str(error)
        begun, *names = mark if isinstance(mark, list) else ("", "", "")
        since[str(venue)] = whole(begun) or 0
        renamed += [str(venue)] if any(names) else []
        exits += _own_exits(str(venue), own)
    return HeldBooks(sizes, corrections, unreadable, since, renamed, exits)


def _commands(user: str, venue: str) -> list[Any]:
    return [
        hgetall(keys.positions(user, venue)),
        hgetall(keys.book_corrections(user, venue)),
        ("HMGET", keys.books(user, venue), "since", "formerly", "renamed_to"),
        ("HKEYS", keys.own_exits(user, venue)),
    ]


def _own_exits(venue: str, names: Any) -> list[BookKey]:
    found = []
    for name in names if isinstance(names, list) else ():
        with suppress(ValueError):
            symbol, master = read_own_exit_field(name)
            found += [BookKey(venue, str(symbol), master)] if master else []
    return found
