"""Candles of a seeded random walk, with prices and volumes as venues write them."""

from __future__ import annotations

import random
from decimal import Decimal

from shared.venues.port import Candle

FIVE_MINUTES = 300_000


def random_candles(
    seed: int, count: int, *, price: float = 60_000.0, move: float = 0.001, places: int = 1
) -> list[Candle]:
    """Return candles whose closes move by about `move` (a share) each; about one in twelve does not move at all."""
    rng = random.Random(seed)
    candles: list[Candle] = []
    for index in range(count):
        opened, still = price, rng.random() < 0.08
        price = opened if still else price * (1 + rng.gauss(0, move))
        high = max(opened, price) * (1 if still else 1 + abs(rng.gauss(0, move / 2)))
        low = min(opened, price) * (1 if still else 1 - abs(rng.gauss(0, move / 2)))
        first, top, bottom, last = (Decimal(f"{value:.{places}f}") for value in (opened, high, low, price))
        candles.append(Candle(index * FIVE_MINUTES, first, top, bottom, last, Decimal(f"{rng.expovariate(0.2):.8f}")))
    return candles
