"""The highest price that each position has seen since it was opened: what a trailing stop is measured from."""

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
        self._seen: dict[Symbol, Position] = {}

    def clear(self) -> None:
        """Forget all of them: nothing is held any more."""
        self._seen.clear()

    def note(self, position: Position, price: Price) -> Position:
        """Return a position with its high raised to a price, in memory alone; the next `raised` records it."""
        position = self._seen[position.symbol] = self._with_known(position).seen(price)
        return position

    async def raised(self, position: Position, price: Price) -> Position:
        """Return a position with its high raised to a price; recorded only where it has risen by a step."""
        recorded = position.high
        position = self.note(position, price)
        high = position.high
        if high is not None and (recorded is None or high.amount >= recorded.amount * _STEP):
            await self._positions.correct(position.symbol, lambda now: None if now is None else now.seen(high))
        return position

    def _with_known(self, position: Position) -> Position:
        known = self._seen.get(position.symbol)
        if known is None or known.opened_at != position.opened_at or known.high is None:
            return position
        return position.seen(known.high)
