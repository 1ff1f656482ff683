"""Compares the recorded copied positions of an account with the balances at the venue. Pure.

Invariants: the venue's record is the truth; a difference is reported, never traded away; the same facts give the same
differences, so a second pass over an unchanged account reports nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.position import Position
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class Difference:
    """A position that exceeds the venue's balance."""

    symbol: Symbol
    believed: Quantity
    found: Quantity

    def __str__(self) -> str:
        return f"{self.believed} held from copying, but the account has only {self.found}"


def at_rest(
    positions: Mapping[Symbol, Position], moving: Collection[Symbol], changed_before: int
) -> dict[Symbol, Position]:
    """Return the positions that can be compared: of assets without an order in flight and without a recent fill.

    `moving` are the symbols with an order in flight. A position that changed after `changed_before` (epoch ms) may be ahead of
    the venue's balance, which lags behind fills. Balances are per asset, so one such symbol excludes all positions in its asset.
    """
    fresh = {symbol for symbol, position in positions.items() if position.updated_at > changed_before}
    restless = {symbol.base for symbol in (*moving, *fresh)}
    return {symbol: position for symbol, position in positions.items() if symbol.base not in restless}


def lowered(position: Position, difference: Difference) -> Position:
    """Return the position reduced to what the account has; its cost shrinks in proportion. Nothing is traded.

    Its `updated_at` stays that of the last fill, because that is what a balance may lag behind.
    """
    return position.sold(difference.believed - difference.found, position.updated_at)


def compare(positions: Mapping[Symbol, Position], totals: Mapping[str, Decimal]) -> list[Difference]:
    """Return the copied positions that exceed the account's balance of their asset, by symbol.

    `totals` are the venue's total balances by plain asset name. A larger balance is not a difference: users own coins too.
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
