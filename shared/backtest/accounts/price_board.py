"""The present price of every pair, under the pair's own name and the names that users have mapped it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol


class PriceBoard:
    """Accounts value what they hold by `prices`, which they must not change."""

    def __init__(self, names: Mapping[Symbol, Sequence[Symbol]]) -> None:
        """`names`: all names of each pair, its own among them."""
        self._names = names
        self.prices: dict[Symbol, Price] = {}

    def set(self, symbol: Symbol, amount: Decimal) -> None:
        """Set the price of a pair, in quote per base."""
        for name in self._names[symbol]:
            self.prices[name] = Price(amount, name)
