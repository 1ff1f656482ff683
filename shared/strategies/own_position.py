"""What one strategy bought and still holds of a symbol, and how it ends by price. Pure.

Another strategy, a bot or a person may trade on the same account: a strategy sells by this record, never by the account. The
master and the backtest keep it by the same methods, so that a strategy is shown the same holding by both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shared.domain.position import Position
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan

FIRST: Final = "sma-cross"
"""The strategy of records from before they named one; its records still name none."""


@dataclass(frozen=True, slots=True)
class OwnPosition:
    """`entered_at` is the candle's end at which it was decided, epoch ms of market time; 0 if that is not known."""

    strategy: str
    position: Position
    plan: ExitPlan | None = None
    entered_at: int = 0

    @staticmethod
    def flat(strategy: str, symbol: Symbol, at: int) -> OwnPosition:
        """Return the empty position."""
        return OwnPosition(strategy, Position.flat(symbol, at))

    @property
    def symbol(self) -> Symbol:
        """Return the symbol that is held."""
        return self.position.symbol

    @property
    def size(self) -> Quantity:
        """Return what is held."""
        return self.position.size

    @property
    def opened_at(self) -> int:
        """Return when it was decided, in market time as far as that is known (epoch ms)."""
        return self.entered_at or self.position.opened_at

    def bought(
        self, size: Quantity, cost: Money, fee: Money, at: int, *, plan: ExitPlan | None, entered_at: int
    ) -> OwnPosition:
        """Return the position after an entry, whose plan is for all that is held: before it there was at most dust.

        `cost` is what was paid for the coins, `fee` what the venue took in quote beside it: both are its cost. A fee that was
        taken in base is in neither: it has made `size` smaller.
        """
        return replace(self, position=self.position.bought(size, cost + fee, at), plan=plan, entered_at=entered_at)

    def sold(self, size: Quantity, at: int, *, plan: ExitPlan | None) -> OwnPosition:
        """Return the position after a sale, with the plan for what is left; nothing has no plan."""
        left = self.position.sold(size, at)
        return replace(self, position=left, plan=plan if left.size.amount > 0 else None)
