"""The defaults are the numbers of the description; what cannot be computed is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from shared.strategies.trend import Trend, TrendSettings

DESCRIBED: dict[str, object] = {
    "enter_candles": 100,
    "manage_candles": 90,
    "ema_fast": 9,
    "ema_middle": 21,
    "ema_slow": 50,
    "rsi_length": 14,
    "macd_fast": 12,
    "macd_slow": 26,
    "macd_signal": 9,
    "atr_length": 14,
    "adx_length": 14,
    "min_adx": 20,
    "volume_short": 5,
    "volume_short_pct": 50,
    "volume_long": 20,
    "volume_long_pct": 25,
    "trend_conditions": 3,
    "trend_adx": 20,
    "trigger_conditions": 3,
    "near_pct": 1,
    "rsi_low": 30,
    "rsi_high": 70,
    "wick_to_body": 2,
    "wick_of_range_pct": 60,
    "trigger_volume": 2,
    "trigger_volume_pct": 60,
    "opposite_trend_conditions": 3,
    "opposite_trigger_conditions": 3,
    "sizes": ({"adx_to": 25, "equity_pct": 2}, {"adx_to": 30, "equity_pct": 3}, {"adx_to": 40, "equity_pct": 4}),
    "size_above_pct": 5,
    "swing_candles": 10,
    "stop_atr": Decimal("1.5"),
    "targets": ({"r": 1, "sell_pct": 50}, {"r": Decimal("1.5"), "sell_pct": 50}, {"r": 2, "sell_pct": 100}),
    "trail_atr": Decimal("1.5"),
}


def test_the_defaults_are_the_described_numbers() -> None:
    assert TrendSettings().model_dump() == DESCRIBED


def test_a_number_of_a_file_is_taken_as_written() -> None:
    settings = TrendSettings.model_validate({"stop_atr": 1.7, "targets": [{"r": 1.1, "sell_pct": 33.3}]})
    assert (settings.stop_atr, settings.targets[0].r) == (Decimal("1.7"), Decimal("1.1"))
    assert settings.targets[0].sell_pct == Decimal("33.3")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"ema_fast": 21}, "ema_fast, ema_middle and ema_slow must rise \\(got 21, 21, 50\\)"),
        ({"ema_slow": 21}, "must rise \\(got 9, 21, 21\\)"),
        ({"macd_fast": 26}, "macd_fast and macd_slow must rise"),
        ({"rsi_low": 70}, "rsi_low and rsi_high must rise"),
        (
            {"sizes": [{"adx_to": 30, "equity_pct": 3}, {"adx_to": 25, "equity_pct": 2}]},
            "the adx_to of sizes must rise",
        ),
        ({"targets": [{"r": 1, "sell_pct": 50}, {"r": 1, "sell_pct": 50}]}, "the r of targets must rise"),
        ({"manage_candles": 101}, "manage_candles must be at most enter_candles \\(got 101\\)"),
        ({"manage_candles": 49}, "manage_candles must be at least 50 for the other lengths \\(got 49\\)"),
        ({"macd_slow": 82}, "at least 91"),
        ({"rsi_length": 89}, "at least 91"),
        ({"atr_length": 90}, "at least 91"),
        ({"adx_length": 46}, "at least 92"),
        ({"volume_short": 91}, "at least 91"),
        ({"volume_long": 91}, "at least 91"),
        ({"trigger_volume": 90}, "at least 91"),
        ({"swing_candles": 91}, "at least 91"),
        ({"opposite_trend_conditions": 0, "opposite_trigger_conditions": 0}, "must not both be 0"),
        ({"trend_conditions": 6}, "less than or equal to 5"),
        ({"size_above_pct": 101}, "less than or equal to 100"),
        ({"size_above_pct": 0}, "greater than 0"),
        ({"stop_atr": -1}, "greater than or equal to 0"),
        ({"trail_atr": 0}, "greater than 0"),
        ({"near_pct": float("nan")}, "less than or equal to 100"),
        ({"ema_fats": 9}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_computed_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        TrendSettings.model_validate(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"manage_candles": 50},
        {"manage_candles": 100},
        {"macd_slow": 81},
        {"rsi_length": 88},
        {"atr_length": 89},
        {"adx_length": 45},
        {"volume_long": 90},
        {"trigger_volume": 89},
        {"swing_candles": 90},
        {"opposite_trend_conditions": 0},
        {"opposite_trigger_conditions": 0},
        {"sizes": []},
        {"targets": []},
    ],
)
def test_what_just_can_be_computed_is_accepted(fields: dict[str, Any]) -> None:
    settings = TrendSettings.model_validate(fields)
    assert Trend(settings).needs_held == settings.manage_candles
