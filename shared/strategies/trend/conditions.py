"""The conditions of `trend`: five of the trend, five of the trigger, and the opposite of each. Pure.

A condition that cannot be computed (no VWAP because nothing was traded) does not hold, in either direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.strategies.indicators import bearish_engulfing, bullish_engulfing, hammer, shooting_star
from shared.strategies.trend.reading import Reading, is_below, is_positive

Condition = Callable[[Reading], bool]


@dataclass(frozen=True, slots=True)
class Group:
    """Five conditions, by the name that a reason has for each; the cheapest come first."""

    conditions: tuple[tuple[str, Condition], ...]

    def holds(self, reading: Reading, at_least: int) -> bool:
        """Return whether at least so many hold. Asks no further than the answer needs."""
        met, left = 0, len(self.conditions)
        for _, condition in self.conditions:
            if met >= at_least or met + left < at_least:
                break
            met += condition(reading)
            left -= 1
        return met >= at_least

    def met(self, reading: Reading) -> list[str]:
        """Return the names of those that hold."""
        return [name for name, condition in self.conditions if condition(reading)]


def _adx_is_strong(reading: Reading) -> bool:
    return reading.adx > reading.settings.trend_adx


def _volume_is_ok(reading: Reading) -> bool:
    return reading.volume_ok


def _trigger_volume_is_ok(reading: Reading) -> bool:
    return reading.trigger_volume_ok


def _is_near_an_average(reading: Reading) -> bool:
    return reading.is_near(reading.ema_middle) or reading.is_near(reading.vwap)


def _rsi_is_between(reading: Reading) -> bool:
    return reading.settings.rsi_low < reading.rsi.value < reading.settings.rsi_high


def _is_above_vwap(reading: Reading) -> bool:
    return reading.vwap is not None and is_below(reading.vwap, reading.close)


def _is_below_vwap(reading: Reading) -> bool:
    return reading.vwap is not None and is_below(reading.close, reading.vwap)


def _emas_rise(reading: Reading) -> bool:
    return is_below(reading.ema_middle, reading.ema_fast) and is_below(reading.ema_slow, reading.ema_middle)


def _emas_fall(reading: Reading) -> bool:
    return is_below(reading.ema_fast, reading.ema_middle) and is_below(reading.ema_middle, reading.ema_slow)


def _histogram_is_positive(reading: Reading) -> bool:
    return is_positive(reading.histogram.value, reading.close)


def _histogram_is_negative(reading: Reading) -> bool:
    return is_positive(-reading.histogram.value, reading.close)


def _rsi_rises(reading: Reading) -> bool:
    return _rsi_is_between(reading) and is_below(reading.rsi.previous, reading.rsi.value)


def _rsi_falls(reading: Reading) -> bool:
    return _rsi_is_between(reading) and is_below(reading.rsi.value, reading.rsi.previous)


def _histogram_rises(reading: Reading) -> bool:
    return is_positive(reading.histogram.value - reading.histogram.previous, reading.close)


def _histogram_falls(reading: Reading) -> bool:
    return is_positive(reading.histogram.previous - reading.histogram.value, reading.close)


def _candle_is_bullish(reading: Reading) -> bool:
    settings = reading.settings
    return bullish_engulfing(reading.before, reading.last) or hammer(
        reading.last, wick_to_body=settings.wick_to_body, wick_of_range_pct=settings.wick_of_range_pct
    )


def _candle_is_bearish(reading: Reading) -> bool:
    settings = reading.settings
    return bearish_engulfing(reading.before, reading.last) or shooting_star(
        reading.last, wick_to_body=settings.wick_to_body, wick_of_range_pct=settings.wick_of_range_pct
    )


TREND: Final = Group(
    (
        ("volume", _volume_is_ok),
        ("VWAP", _is_above_vwap),
        ("EMA", _emas_rise),
        ("MACD", _histogram_is_positive),
        ("ADX", _adx_is_strong),
    )
)
TRIGGER: Final = Group(
    (
        ("volume", _trigger_volume_is_ok),
        ("candle", _candle_is_bullish),
        ("near", _is_near_an_average),
        ("MACD", _histogram_rises),
        ("RSI", _rsi_rises),
    )
)
OPPOSITE_TREND: Final = Group(
    (
        ("volume", _volume_is_ok),
        ("VWAP", _is_below_vwap),
        ("EMA", _emas_fall),
        ("MACD", _histogram_is_negative),
        ("ADX", _adx_is_strong),
    )
)
OPPOSITE_TRIGGER: Final = Group(
    (
        ("volume", _trigger_volume_is_ok),
        ("candle", _candle_is_bearish),
        ("near", _is_near_an_average),
        ("MACD", _histogram_falls),
        ("RSI", _rsi_falls),
    )
)
