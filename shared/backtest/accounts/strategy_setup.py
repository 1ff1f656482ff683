"""A strategy of the master as a backtest runs it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.values.symbol import Symbol
from shared.strategies.frame import Frame


@dataclass(frozen=True, slots=True)
class StrategySetup:
    """A strategy as it trades: its pairs, its share of the equity (0..1], and how its orders are priced."""

    name: str
    frame: Frame
    symbols: tuple[Symbol, ...]
    share: Decimal
    limit_slippage_bps: Decimal | None = None
    """How far from the last close its immediate-or-cancel limit orders are; None: it sends market orders."""
