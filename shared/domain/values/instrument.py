"""The trading rules of a pair at a venue: its steps, its minimums and whether it trades.

The table below is only a seed, for the moment before the venue has been asked: the executor and the master publish what the
venue says now, and that wins. Figures: shared/venues/kraken/KRAKEN.md, K24 (Kraken minimums of 2026-07, ticks of 2025-07;
Coinbase of 2025-06, from the same open-source table as those ticks; shared/venues/coinbase/COINBASE.md, C16). Kraken's minimum
order value is 0.5 USD on all of them, Coinbase's is 1 USD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.values.money import Money, Price, Quantity, ceil_to
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName


class PairStatus(StrEnum):
    """Which orders the venue accepts on a pair at the moment."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A pair on a venue. Steps and minimums in base units, the tick and `min_cost` in quote units."""

    symbol: Symbol
    lot_step: Decimal
    tick: Decimal
    min_size: Decimal
    min_cost: Decimal
    status: PairStatus = PairStatus.ONLINE
    as_of: int | None = None
    """When the venue stated this, epoch ms; None for the seed table."""

    def below_minimum(self, size: Quantity, price: Price) -> str:
        """Describe the minimum that an order would miss; an empty text if none."""
        if size.amount < self.min_size:
            return f"{size} is below the venue's minimum of {Quantity(self.min_size, self.symbol.base)}"
        cost = size * price
        if cost.amount < self.min_cost:
            return f"{cost} is below the venue's minimum value of {Money(self.min_cost, self.symbol.quote)}"
        return ""

    def least(self, price: Price) -> Quantity:
        """Return the smallest whole number of lots that meets every minimum at this price."""
        least = Quantity(ceil_to(max(self.min_size, self.min_cost / price.amount), self.lot_step), self.symbol.base)
        if self.below_minimum(least, price):  # the quotient above is rounded
            least = least + Quantity(self.lot_step, self.symbol.base)
        return least


_KRAKEN_SEED: Final = """
BTC 0.00005 0.1 8|ETH 0.001 0.01 8|SOL 0.06 0.01 8|XRP 1.65 0.00001 8|ADA 20 0.000001 8|DOGE 50 0.0000001 8|LTC 0.1 0.01 8|
LINK 0.55 0.00001 8|AVAX 0.5 0.01 8|DOT 3.9 0.0001 8|BCH 0.01 0.01 8|UNI 1.5 0.001 8|AAVE 0.05 0.01 8|SUI 5 0.0001 5|
ALGO 41 0.00001 8|ATOM 0.5 0.0001 8|XLM 20 0.000001 8|USDT 5 0.00001 8
"""
_COINBASE_SEED: Final = """
BTC 0.00000001 0.01 8|ETH 0.00000001 0.01 8|SOL 0.00000001 0.01 8|XRP 0.000001 0.0001 6|ADA 0.00000001 0.0001 8|
DOGE 0.1 0.00001 1|LTC 0.00000001 0.01 8|LINK 0.01 0.001 2|AVAX 0.00000001 0.01 8|DOT 0.00000001 0.001 8|
BCH 0.00000001 0.01 8|UNI 0.000001 0.001 6|AAVE 0.001 0.01 3|SUI 0.1 0.0001 1|ALGO 0.1 0.0001 1|ATOM 0.01 0.001 2|
XLM 0.00000001 0.000001 8|USDT 0.01 0.00001 2
"""
_SEEDS: Final[Mapping[str, tuple[str, str]]] = {
    VenueName.KRAKEN: (_KRAKEN_SEED, "0.5"),
    VenueName.COINBASE: (_COINBASE_SEED, "1"),
}
"""Table and minimum order value in USD by venue."""


def seed_instruments(venue: str) -> Mapping[Symbol, Instrument]:
    """Return the seed table of a venue (`kraken` or `coinbase`), all pairs against USD; empty for any other venue."""
    if venue not in _SEEDS:
        return {}
    table, min_cost = _SEEDS[venue]
    found = {}
    for row in table.replace("\n", "").split("|"):
        base, min_size, tick, lot_decimals = row.split()
        symbol = Symbol(base, "USD")
        found[symbol] = Instrument(
            symbol=symbol,
            lot_step=Decimal(1).scaleb(-int(lot_decimals)),
            tick=Decimal(tick),
            min_size=Decimal(min_size),
            min_cost=Decimal(min_cost),
        )
    return found
