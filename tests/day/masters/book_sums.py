"""What users hold for each master at rest: the product's books against the journal, and their sums against the balances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tests.day.books import DUST, ZERO, State
from tests.day.limits import Judgement
from tests.day.market import Prices

Books = Mapping[tuple[str, str], Decimal]
"""Sizes by symbol and master."""
_LEFT: Final = 5 * DUST
"""Worth less than this, something may be left: the venue's smallest sale."""


@dataclass(frozen=True, slots=True)
class Rest:
    """One user's account at rest, before everything is closed."""

    user: str
    positions: Mapping[str, str]
    """The product's records of positions, as they are, by symbol."""
    balances: Mapping[str, Decimal]
    state: State
    """The account by the journal."""


def read_books(positions: Mapping[str, str]) -> tuple[Books, list[str]]:
    """Read the books of positions, and which positions' books do not add up to them, in size or in cost."""
    found: dict[tuple[str, str], Decimal] = {}
    wrong = []
    for symbol, written in positions.items():
        record = json.loads(written)
        books = record.get("books") or {"": record}
        found |= {(symbol, master): Decimal(book["base_size"]) for master, book in books.items()}
        for amount in ("base_size", "cost"):
            total = sum((Decimal(book[amount]) for book in books.values()), ZERO)
            if total != Decimal(record[amount]):
                wrong.append(f"{symbol}: the {amount} of its books is {total}, not {record[amount]}")
    return found, wrong


def judge_books(rest: Rest, prices: Prices, at: int, found: Judgement) -> None:
    """Each book is what was bought for its master and not sold; together they are what the account has."""
    books, wrong = read_books(rest.positions)
    found.check("books add up to their position", not wrong, f"{rest.user}: {wrong[:1]}")
    for symbol, master in sorted({*books, *rest.state.books}):
        price, size = prices.at(symbol, at), rest.state.book(symbol, master).size
        apart = abs(books.get((symbol, master), ZERO) - size) * price
        words = f"{rest.user} {symbol} {master}: {books.get((symbol, master), ZERO)} recorded, {size} by the journal"
        found.check("a book is what was traded for its master", apart < DUST, words)
    for symbol in sorted({symbol for symbol, _ in books}):
        total = sum((size for (name, _), size in books.items() if name == symbol), ZERO)
        has = rest.balances.get(symbol.partition("/")[0], ZERO)
        words = f"{rest.user} {symbol}: the books are {total}, the account has {has}"
        found.check("books add up to the account", abs(total - has) * prices.at(symbol, at) < DUST, words)


def judge_followed(rest: Rest, masters: Mapping[str, State], prices: Prices, at: int, found: Judgement) -> None:
    """Nothing is left of what a master has sold: no exit was lost, of either."""
    for (symbol, master), book in rest.state.books.items():
        price = prices.at(symbol, at)
        left = masters[master].held[symbol] * price < DUST and book.size * price >= _LEFT
        words = f"{rest.user}: {book.size} {symbol} left though the master {master} has sold"
        found.check("no exit of a master is lost", not left, words)
