"""What a strategy is shown of what it holds: the same by the master and in a backtest. Pure."""

from __future__ import annotations

from decimal import Decimal

from shared.domain.values.money import Price
from shared.strategies.own_position import OwnPosition
from shared.strategies.port import Holding


def shown_holding(own: OwnPosition, smallest_order: Decimal) -> Holding | None:
    """Return what the strategy is shown; None if it holds less than the venue's smallest order (in base)."""
    if own.size.amount <= 0 or own.size.amount < smallest_order:
        return None
    average = Price(own.position.cost.amount / own.size.amount, own.symbol)
    return Holding(own.size, average, own.opened_at, own.plan)
