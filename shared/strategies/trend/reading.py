"""What the rules of `trend` look at: a window of candles and its indicators, each computed once, when a rule asks for it.

Most candles are decided by a rule or two, so that computing all indicators for each would make a backtest several times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from shared.domain.values.money import ZERO
from shared.strategies.indicators import (
    Bars,
    Latest,
    adx,
    atr,
    ema,
    ema_series,
    macd_histogram,
    rsi,
    swing_low,
    vwap,
)
from shared.strategies.trend.settings import TrendSettings
from shared.venues.port import Candle

_ROUNDING: Final = 1e-12
"""Relative: floats nearer than this differ by rounding alone. A market that does not move must not look like a falling one."""

_Value = TypeVar("_Value")


class _once(Generic[_Value]):  # noqa: N801  # a decorator
    """A property that is computed once: `cached_property` without its lock, which costs as much as a cheap indicator."""

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self._name = compute.__name__

    def __get__(self, reading: Reading, owner: type[Reading]) -> _Value:
        value = reading.__dict__[self._name] = self._compute(reading)
        return value


class Reading:
    """One symbol at one candle. Indicators are floats; volumes, and what a stop is computed from, are `Decimal`."""

    def __init__(self, candles: Sequence[Candle], bars: Bars, settings: TrendSettings) -> None:
        """`candles` are the window itself, oldest first, and `bars` are theirs."""
        self.candles = candles
        self.settings = settings
        self.last = candles[-1]
        self.before = candles[-2]
        self.close = bars.closes[-1]
        self._bars = bars

    @_once
    def ema_fast(self) -> float:
        """The fast EMA, quote per base."""
        return ema(self._bars.closes, self.settings.ema_fast)

    @_once
    def ema_middle(self) -> float:
        """The middle EMA, quote per base."""
        return ema(self._bars.closes, self.settings.ema_middle)

    @_once
    def ema_slow(self) -> float:
        """The slow EMA, quote per base."""
        return ema(self._bars.closes, self.settings.ema_slow)

    @_once
    def vwap(self) -> float | None:
        """The VWAP of the window, quote per base; None if nothing was traded."""
        return vwap(self._bars)

    @_once
    def rsi(self) -> Latest:
        """The RSI, 0 to 100."""
        return rsi(self._bars, self.settings.rsi_length)

    @_once
    def histogram(self) -> Latest:
        """The MACD histogram, quote per base."""
        return macd_histogram(
            self._bars.closes, self.settings.macd_fast, self.settings.macd_slow, self.settings.macd_signal
        )

    @_once
    def adx(self) -> float:
        """The ADX, 0 to 100."""
        return adx(self._bars, self.settings.adx_length)

    @_once
    def atr(self) -> float:
        """The ATR, quote per base."""
        return atr(self._bars, self.settings.atr_length)

    @_once
    def swing_low(self) -> Decimal:
        """The lowest price of the newest candles, quote per base."""
        return swing_low(self.candles, self.settings.swing_candles)

    @_once
    def volume_ok(self) -> bool:
        """Whether the last candle was traded as much as the two means ask for."""
        settings = self.settings
        short = self._volume_at_least(settings.volume_short_pct, self.candles[-settings.volume_short :])
        return short and self._volume_at_least(settings.volume_long_pct, self.candles[-settings.volume_long :])

    @_once
    def trigger_volume_ok(self) -> bool:
        """Whether the last candle was traded as much as those just before it ask for."""
        before = self.candles[-1 - self.settings.trigger_volume : -1]
        return self._volume_at_least(self.settings.trigger_volume_pct, before)

    @_once
    def fast_below_middle(self) -> Sequence[bool]:
        """Whether the fast EMA was below the middle one, at each candle from the middle one's first value on."""
        middle = ema_series(self._bars.closes, self.settings.ema_middle)
        fast = ema_series(self._bars.closes, self.settings.ema_fast)[-len(middle) :]
        return [is_below(one, other) for one, other in zip(fast, middle, strict=True)]

    def is_near(self, level: float | None) -> bool:
        """Return whether the price is within the set per cent of a level."""
        return level is not None and abs(self.close - level) * 100 <= self.settings.near_pct * level

    def _volume_at_least(self, percent: Decimal, candles: Sequence[Candle]) -> bool:
        """Return whether the last volume is so many per cent of the mean of these, and not zero. Without a division: exact."""
        volume = self.last.volume
        mean_times_count = sum([candle.volume for candle in candles], ZERO)
        return volume > 0 and volume * len(candles) * 100 >= percent * mean_times_count


def is_below(value: float, level: float) -> bool:
    """Return whether a price is below another by more than rounding."""
    return level - value > _ROUNDING * abs(level)


def is_positive(value: float, price: float) -> bool:
    """Return whether a difference of prices is above zero by more than rounding at this price."""
    return value > _ROUNDING * abs(price)
