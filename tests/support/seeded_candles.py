"""Candles of the paper exchange's seeded market, in market time, without a server: the same seed gives the same candles."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from services.paper_exchange.core.market.clock import ManualClock
from services.paper_exchange.market_file import MarketSection, build_market
from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle

ORIGIN: Final = 1_800_000_000
"""The market second at which the market begins."""
_SPEED: Final = 3600.0
"""At this speed the market steps once a market minute."""


def seeded_candles(
    symbol: Symbol, *, seed: int, regime: Literal["calm", "trend", "crash", "gap"], count: int, minutes: int = 5
) -> list[Candle]:
    """Return the first `count` candles of a market, oldest first."""
    section = MarketSection(seed=seed, regime=regime, speed=_SPEED, pairs=(str(symbol),))
    feed = build_market(section, ManualClock(ORIGIN), Path()).feeds[str(symbol)]
    tick = Decimal(1).scaleb(-feed.instrument.price_decimals)
    candles: list[Candle] = []
    for index in range(count):
        feed.advance(ORIGIN + (index + 1) * minutes * 60, _SPEED)
        bar = feed.candles(minutes, 2)[-2]
        candles.append(
            Candle(
                bar.start * 1000,
                bar.open * tick,
                bar.high * tick,
                bar.low * tick,
                bar.close * tick,
                Decimal(f"{bar.volume:.8f}"),
            )
        )
    return candles
