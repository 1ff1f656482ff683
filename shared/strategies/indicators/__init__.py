"""Indicators over candles, each with the definition that TA-Lib has, where TA-Lib has it. Pure functions, for any strategy.

Inside they are floats, in a fixed order of operations: the same candles give the same bits on every machine. A price that an
order depends on is computed from them in `Decimal`, by the strategy.
"""

from shared.strategies.indicators.adx import adx
from shared.strategies.indicators.atr import atr
from shared.strategies.indicators.bars import Bars
from shared.strategies.indicators.ema import ema, ema_series
from shared.strategies.indicators.latest import Latest
from shared.strategies.indicators.macd import macd_histogram
from shared.strategies.indicators.patterns import bearish_engulfing, bullish_engulfing, hammer, shooting_star
from shared.strategies.indicators.rsi import rsi
from shared.strategies.indicators.sma import sma
from shared.strategies.indicators.swing import swing_low
from shared.strategies.indicators.vwap import vwap

__all__ = [
    "Bars",
    "Latest",
    "adx",
    "atr",
    "bearish_engulfing",
    "bullish_engulfing",
    "ema",
    "ema_series",
    "hammer",
    "macd_histogram",
    "rsi",
    "shooting_star",
    "sma",
    "swing_low",
    "vwap",
]
