"""Opaque cursors that stay stable under new rows: a cursor names the last row that was sent, not how many were.

A list is cut after the row with that key. A row that came later is before it (lists are newest first) or at the end (wallets),
so no row is sent twice and none is left out.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.paper_exchange.coinbase.errors import invalid_argument

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page: its rows, and the cursor of the next one, empty if there is none."""

    rows: Sequence[Row]
    cursor: str

    @property
    def has_next(self) -> bool:
        """Return whether there are more rows."""
        return bool(self.cursor)


def cut(rows: Sequence[Row], key: Callable[[Row], str], cursor: str, limit: int) -> Page[Row]:
    """Return the page after a cursor; the first one if it is empty. Raises CoinbaseRefusal (400) for a cursor of another list."""
    start = 0
    if cursor:
        wanted = decode(cursor)
        start = next((index for index, row in enumerate(rows, 1) if key(row) == wanted), 0)
        if not start:
            raise invalid_argument("cursor: not of this list")
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return Page(page, encode(key(page[-1])) if more else "")


def encode(key: str) -> str:
    """Return the cursor after the row with this key."""
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """Return the key in a cursor. Raises CoinbaseRefusal (400)."""
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise invalid_argument("cursor: malformed") from None
