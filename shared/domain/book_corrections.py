"""What a named master's book has lost or gained otherwise than by a fill: a repair, a write-off, coins that the owner sold.

Such a change is written down in the step that makes it, so that a book always equals its fills and its corrections, and the audit
can prove it. It must never be derived from that sum: then no loss would ever be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Final

from shared.domain.position import MAIN, Position
from shared.domain.values.money import ZERO

_EXACT: Final = Context(prec=120)


def book_corrections(before: Position, after: Position) -> dict[str, Decimal]:
    """Return by how much a correction changed each named master's book, in base; what it left alone is left out."""
    had, has = before.split(), after.split()
    found = {}
    for name in sorted({*had, *has} - {MAIN}):
        sizes = [books[name].size.amount if name in books else ZERO for books in (had, has)]
        if change := _EXACT.subtract(sizes[1], sizes[0]):
            found[name] = change
    return found


def added(known: Mapping[str, Decimal], more: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the sums of corrections by name, exactly."""
    return {name: _EXACT.add(known.get(name, ZERO), amount) for name, amount in more.items()}
