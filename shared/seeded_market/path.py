"""From one seed to the price path of each pair: start prices, movement and random numbers.

The paper exchange and the backtest build their paths here, so that one seed is one market in both. Floats end at the tick.
"""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.seeded_market.regimes import REGIMES, Regime
from shared.seeded_market.walk import Walk

START_PRICES: Final = {
    "BTC/USD": "60000", "ETH/USD": "3000", "SOL/USD": "150", "XRP/USD": "0.55", "ADA/USD": "0.45", "DOGE/USD": "0.12",
    "LTC/USD": "80", "LINK/USD": "14", "AVAX/USD": "30", "DOT/USD": "6", "BCH/USD": "400", "UNI/USD": "8",
    "AAVE/USD": "100", "SUI/USD": "1.2", "ALGO/USD": "0.18", "ATOM/USD": "8", "XLM/USD": "0.11", "USDT/USD": "1",
    "BTC/EUR": "55000", "ETH/EUR": "2750", "DOT/EUR": "5.5",
}  # fmt: skip
"""In quote units, by symbol."""
TURNOVER: Final = 4000.0
"""Quote per step of the price: what the candles' volumes are made of."""
_STEADINESS: Final = {"USDT/USD": 0.05}  # share of the regime's movement that a pair has


def seeded_walk(
    seed: int, symbol: str, regime: str, *, start_price: Decimal | None = None, volatility: float | None = None
) -> Walk:
    """Return the walk of a pair. Raises KeyError for an unknown regime, or a pair without a start price if none is given."""
    start = float(Decimal(START_PRICES[symbol]) if start_price is None else start_price)
    return Walk(seeded_random(seed, symbol, "walk"), start, _movement(symbol, regime, volatility))


def seeded_random(seed: int, symbol: str, purpose: str) -> random.Random:
    """Return the random numbers of a pair for one purpose: `walk`, `past` or `volume`."""
    return random.Random(f"{seed}/{symbol}/{purpose}")  # noqa: S311  # a price path, not a secret


def volume_of(noise: float, ticks: int, scale: float) -> float:
    """Return the base volume of one step at a price of `ticks` (`scale` ticks are one quote unit); `noise` is in 0..1."""
    return TURNOVER * (0.2 + 1.6 * noise) * scale / ticks


def _movement(symbol: str, regime: str, volatility: float | None) -> Regime:
    base, steadiness = REGIMES[regime], _STEADINESS.get(symbol, 1.0)
    slow = base.volatility if volatility is None else volatility
    return replace(base, swing=base.swing * steadiness, volatility=slow * steadiness)
