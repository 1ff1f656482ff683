"""One page of a list, and what leads to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of page `number` (from 1) of `pages`, out of `total` rows."""

    rows: Sequence[T]
    number: int
    pages: int
    total: int

    @property
    def before(self) -> int | None:
        """Return the page before; None on the first."""
        return self.number - 1 if self.number > 1 else None

    @property
    def after(self) -> int | None:
        """Return the page after; None on the last."""
        return self.number + 1 if self.number < self.pages else None


def page_of(rows: Sequence[T], number: int, length: int) -> Page[T]:
    """Return a page; a number behind the last page gives the last."""
    pages = max(1, -(-len(rows) // length))
    number = min(max(number, 1), pages)
    return Page(rows[(number - 1) * length : number * length], number, pages, len(rows))
