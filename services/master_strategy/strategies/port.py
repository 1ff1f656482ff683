"""The port of a strategy: candles and positions in, intents out.

A strategy is pure: it sends nothing, stores nothing and calls nothing. What forbids an order (a switch, short funds, an order
under way) is checked where intents are executed, so that no strategy can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle


@dataclass(frozen=True, slots=True)
class Market:
    """What a strategy sees. `candles` has only symbols with whole and fresh data, oldest first, at least `needs` of them."""

    candles: Mapping[Symbol, Sequence[Candle]]
    positions: Mapping[Symbol, Quantity]
    equity: Money


@dataclass(frozen=True, slots=True)
class Enter:
    """Buy for this share of the equity, 0 < share <= 1."""

    symbol: Symbol
    share: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Sell this fraction of the position, 0 < fraction <= 1."""

    symbol: Symbol
    fraction: Decimal
    reason: str


Intent = Enter | Exit


class Strategy(Protocol):
    """Decides what to do about the candles that have just been committed."""

    name: str
    needs: int
    """How many committed candles of a symbol it must be given."""

    def decide(self, market: Market) -> Sequence[Intent]:
        """Return at most one intent per symbol, none for a symbol without candles in `market`."""
        ...
