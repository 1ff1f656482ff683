"""The port behind which a strategy stands: candles and positions in, intents out.

A strategy is pure. It sends nothing, keeps nothing and asks nobody; what it may not do (a switch is set, funds are short, an
order is under way) is found out by those who carry its intents out, so that it cannot forget to.
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
        """Answer at most one intent per symbol; nothing for a symbol that has no candles in `market`."""
        ...
