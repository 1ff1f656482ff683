"""The port of a strategy: candles and its own holdings in, intents out.

A strategy is pure: it sends nothing, stores nothing and calls nothing, so that the master, the backtest and a test run the same
code. What forbids an order (a switch, short funds, an order under way, a cap) is checked where intents are executed, so that no
strategy can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.venues.port import Candle


@dataclass(frozen=True, slots=True)
class Holding:
    """What the strategy itself holds of a symbol: bought by its own orders, and at least the venue's smallest order."""

    size: Quantity
    average_price: Price
    """What a unit has cost, fees included."""
    opened_at: int
    """When it was first bought, epoch ms of market time."""
    plan: ExitPlan | None = None
    """How it ends by price alone, as recorded."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a strategy sees. `candles` has only symbols with whole and fresh data, oldest first, at least `needs` of them."""

    now: int
    """Market time: when the newest candle ended, epoch ms. A strategy has no other clock."""
    candles: Mapping[Symbol, Sequence[Candle]]
    """The symbols with a new candle; the last one is committed."""
    holdings: Mapping[Symbol, Holding]
    equity: Money
    """The strategy's share of the master's equity."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Buy for this share of the equity, 0 < share <= 1. `plan` is recorded with the position once it has filled."""

    symbol: Symbol
    share: Decimal
    reason: str
    plan: ExitPlan | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """Sell this fraction of what the strategy holds of a symbol, 0 < fraction <= 1."""

    symbol: Symbol
    fraction: Decimal
    reason: str


Intent = Enter | Exit


class Strategy(Protocol):
    """Decides what to do about the candles that have just been committed."""

    name: str
    needs: int
    """How many committed candles of a symbol it must be given. For one with `needs_held` see `candles_needed`."""

    def decide(self, context: Context) -> Sequence[Intent]:
        """Return intents, the most wanted entry first; at most one per symbol, none for a symbol without candles in `context`."""
        ...


def candles_needed(strategy: Strategy, *, held: bool) -> int:
    """Return with how many candles of a symbol a strategy can do its work: `needs`, or fewer if it holds the symbol.

    A strategy with an attribute `needs_held` looks after what it holds with as few as that, and is given `needs` where there are
    as many. So what is held is never left alone for want of a candle that only an entry needs.
    """
    return min(strategy.needs, getattr(strategy, "needs_held", strategy.needs)) if held else strategy.needs
