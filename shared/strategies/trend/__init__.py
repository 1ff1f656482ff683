"""The default strategy: follows a trend on candles, with a stop under every entry. Pure. It promises no profit."""

from shared.strategies.trend.settings import TrendSettings
from shared.strategies.trend.strategy import Trend

__all__ = ["Trend", "TrendSettings"]
