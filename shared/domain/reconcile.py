"""Compares what Shoal believes an account holds from copying with what the venue says it has. Pure.

Invariants: the venue's record is the truth; a difference is told, never traded away; the same facts give the same differences, so
a second pass over an unchanged account has nothing new to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.account import Position
from shared.domain.money import ZERO, Quantity
from shared.domain.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Difference:
    """A position that the venue's balance does not cover."""

    symbol: Symbol
    believed: Quantity
    found: Quantity

    def __str__(self) -> str:
        return f"{self.believed} held from copying, but the account has only {self.found}"


def compare(positions: Mapping[Symbol, Position], totals: Mapping[str, Decimal]) -> list[Difference]:
    """List the positions from copying that exceed what the account has of their asset, by symbol.

    `totals` are the venue's total balances by plain asset name. More than believed is no difference: users own coins too.
    Several symbols of one asset (`BTC/USD`, `BTC/USDC`) share its balance, in the order of their names.
    """
    left = dict(totals)
    found = []
    for symbol in sorted(positions, key=str):
        position = positions[symbol]
        have = left.get(symbol.base, ZERO)
        if position.size.amount > have:
            found.append(Difference(symbol, position.size, Quantity(have, symbol.base)))
        left[symbol.base] = max(have - position.size.amount, ZERO)
    return found
