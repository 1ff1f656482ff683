"""The settings of `trend`: every number of its rules. The defaults are the strategy as it is described in the README beside this.

Nothing here forbids a setting that loses money; what is refused is one that cannot be computed, or that would sell at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shared.config.users.file import exact

_CONFIG: Final = ConfigDict(extra="forbid", frozen=True)
_Exact = Annotated[Decimal, BeforeValidator(exact)]
_Percent = Annotated[_Exact, Field(gt=0, le=100)]
_Ratio = Annotated[_Exact, Field(gt=0, le=100)]
_Index = Annotated[float, Field(ge=0, le=100)]
_Length = Annotated[int, Field(ge=2, le=300)]
_Candles = Annotated[int, Field(ge=1, le=300)]
_OfFive = Annotated[int, Field(ge=0, le=5)]


class Size(BaseModel):
    """One step of the size of an entry."""

    model_config = _CONFIG

    adx_to: _Index
    """Up to this ADX, itself included."""
    equity_pct: _Percent


class TargetStep(BaseModel):
    """One target: how far above the entry, and how much of what is then held is sold."""

    model_config = _CONFIG

    r: _Ratio
    """In R: the distance from the entry to its stop."""
    sell_pct: _Percent


class TrendSettings(BaseModel):
    """Lengths are candles, ADX and RSI are 0 to 100. A position's stop and targets are fixed by the settings of its entry."""

    model_config = _CONFIG

    # Data
    enter_candles: _Length = 100
    """At least this many to enter; also how many are looked at, however many there are."""
    manage_candles: _Length = 90
    """At least this many to look after what is held."""

    # Indicators
    ema_fast: _Length = 9
    ema_middle: _Length = 21
    ema_slow: _Length = 50
    rsi_length: _Length = 14
    macd_fast: _Length = 12
    macd_slow: _Length = 26
    macd_signal: _Length = 9
    atr_length: _Length = 14
    adx_length: _Length = 14

    # Filters of an entry: ADX, and the last volume in per cent of two means that include it
    min_adx: _Index = 20.0
    volume_short: _Candles = 5
    volume_short_pct: _Percent = Decimal(50)
    volume_long: _Candles = 20
    volume_long_pct: _Percent = Decimal(25)

    # Entry: so many of five conditions of the trend, and so many of five of the trigger
    trend_conditions: _OfFive = 3
    trend_adx: _Index = 20.0
    trigger_conditions: _OfFive = 3
    near_pct: Annotated[float, Field(gt=0, le=100)] = 1.0
    """How far from the middle EMA or the VWAP the price may be."""
    rsi_low: _Index = 30.0
    rsi_high: _Index = 70.0
    wick_to_body: _Ratio = Decimal(2)
    wick_of_range_pct: _Percent = Decimal(60)
    trigger_volume: _Candles = 2
    """How many candles before the last one its volume is compared with."""
    trigger_volume_pct: _Percent = Decimal(60)

    # Exit: so many of the opposite conditions of each group
    opposite_trend_conditions: _OfFive = 3
    opposite_trigger_conditions: _OfFive = 3

    # Size, stop, targets
    sizes: Annotated[tuple[Size, ...], Field(max_length=20)] = (
        Size(adx_to=25.0, equity_pct=Decimal(2)),
        Size(adx_to=30.0, equity_pct=Decimal(3)),
        Size(adx_to=40.0, equity_pct=Decimal(4)),
    )
    size_above_pct: _Percent = Decimal(5)
    """Per cent of the equity above the last step."""
    swing_candles: _Candles = 10
    stop_atr: Annotated[_Exact, Field(ge=0, le=100)] = Decimal("1.5")
    """How far below the swing low the stop is, in ATR."""
    targets: Annotated[tuple[TargetStep, ...], Field(max_length=20)] = (
        TargetStep(r=Decimal(1), sell_pct=Decimal(50)),
        TargetStep(r=Decimal("1.5"), sell_pct=Decimal(50)),
        TargetStep(r=Decimal(2), sell_pct=Decimal(100)),
    )
    trail_atr: _Ratio = Decimal("1.5")
    """How far below the highest price the stop follows after the first target, in ATR of the entry."""

    @model_validator(mode="after")
    def _computable(self) -> Self:
        _require_rising("ema_fast, ema_middle and ema_slow", (self.ema_fast, self.ema_middle, self.ema_slow))
        _require_rising("macd_fast and macd_slow", (self.macd_fast, self.macd_slow))
        _require_rising("rsi_low and rsi_high", (self.rsi_low, self.rsi_high))
        _require_rising("the adx_to of sizes", [size.adx_to for size in self.sizes])
        _require_rising("the r of targets", [target.r for target in self.targets])
        if self.manage_candles > self.enter_candles:
            raise ValueError(f"manage_candles must be at most enter_candles (got {self.manage_candles})")
        if self.manage_candles < (longest := self._longest()):
            raise ValueError(
                f"manage_candles must be at least {longest} for the other lengths (got {self.manage_candles})"
            )
        if not self.opposite_trend_conditions and not self.opposite_trigger_conditions:
            raise ValueError("opposite_trend_conditions and opposite_trigger_conditions must not both be 0")
        return self

    def _longest(self) -> int:
        """Return how many candles the indicators need."""
        return max(
            self.ema_slow,
            self.macd_slow + self.macd_signal,
            self.rsi_length + 2,
            self.atr_length + 1,
            2 * self.adx_length,
            self.volume_short,
            self.volume_long,
            self.trigger_volume + 1,
            self.swing_candles,
        )


def _require_rising(names: str, values: Sequence[float | Decimal]) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise ValueError(f"{names} must rise (got {', '.join(map(str, values))})")
