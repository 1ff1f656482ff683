"""One strategy as the file chooses it: its kind and settings, its symbols, its share of the equity and its caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from shared.domain.values.symbol import Symbol
from shared.strategies.frame import Caps, Frame
from shared.strategies.port import Strategy
from shared.strategies.registry import StrategyKind


@dataclass(frozen=True, slots=True)
class StrategySlot:
    """`name` identifies what it buys for good: its positions are recorded under it."""

    name: str
    kind: StrategyKind
    settings: BaseModel
    written: Mapping[str, Any]
    """The settings as the file has them."""
    symbols: tuple[Symbol, ...]
    share: Decimal
    """Of the master's equity, 0 < share <= 1."""
    interval_minutes: int
    caps: Caps

    def build(self) -> Strategy:
        """Return a new strategy. Raises UnusableStrategyError for a class that cannot be made."""
        return self.kind.make(self.settings)

    def frame(self) -> Frame:
        """Return a new strategy with its caps. Raises UnusableStrategyError."""
        return Frame(self.build(), self.caps)
