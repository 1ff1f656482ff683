"""The highest price that each position has seen since it was opened: what a trailing stop is measured from."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.executor.account.positions import AccountPositions
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

    async def raised(self, position: Position, price: Price) -> Position:
        """Return a position with its high raised to a price; recorded only where it has risen by a step."""
        recorded = position.high
        known = self._seen.get(position.symbol)
        if known is not None and known.opened_at == position.opened_at and known.high is not None:
            position = position.seen(known.high)
        position = position.seen(price)
        self._seen[position.symbol] = position
        high = position.high
        if high is not None and (recorded is None or high.amount >= recorded.amount * _STEP):
            await self._positions.correct(position.symbol, lambda now: None if now is None else now.seen(high))
        return position
