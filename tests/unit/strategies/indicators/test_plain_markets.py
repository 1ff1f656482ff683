"""Indicators where a reader knows the answer: markets that stand still, or move by the same amount each candle."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from shared.strategies.indicators import Bars, adx, atr, ema, ema_series, macd_histogram, rsi, swing_low, vwap
from shared.venues.port import Candle


def _line(count: int, step: str, *, volume: str = "1") -> list[Candle]:
    """Candles that move by `step` from 100 on, with a range of 2 around their close."""
    closes = [100 + index * Decimal(step) for index in range(count)]
    return [
        Candle(index * 300_000, close, close + 1, close - 1, close, Decimal(volume))
        for index, close in enumerate(closes)
    ]


def test_a_price_that_only_rises_is_as_strong_as_can_be() -> None:
    bars = Bars.of(_line(60, "3"))
    assert rsi(bars, 14) == (100.0, 100.0)
    assert adx(bars, 14) == pytest.approx(100.0)
    assert atr(bars, 14) == pytest.approx(4.0)  # from the close before to the high


def test_a_price_that_only_falls_has_no_strength_and_a_strong_direction() -> None:
    bars = Bars.of(_line(60, "-1"))
    assert rsi(bars, 14) == (0.0, 0.0)
    assert adx(bars, 14) == pytest.approx(100.0)


def test_a_price_that_stands_still_is_zero_everywhere() -> None:
    bars = Bars.of(_line(60, "0"))
    assert rsi(bars, 14) == (0.0, 0.0)
    assert adx(bars, 14) == 0.0
    assert macd_histogram(bars.closes, 12, 26, 9) == (0.0, 0.0)
    assert (ema(bars.closes, 21), vwap(bars), atr(bars, 14)) == (100.0, 100.0, 2.0)


def test_an_average_of_a_straight_line_lags_by_half_its_length() -> None:
    closes = [float(value) for value in range(60)]
    assert ema(closes, 9) == pytest.approx(59 - 4)
    assert ema_series(closes, 9) == pytest.approx([value - 4 for value in closes[8:]])
    assert macd_histogram(closes, 12, 26, 9).value == pytest.approx(0.0)


def test_vwap_weighs_by_volume() -> None:
    first, second = _line(2, "10")
    heavy = Candle(second.opened_at, second.open, second.high, second.low, second.close, Decimal(3))
    assert vwap(Bars.of([first, heavy])) == 107.5


def test_little_traded_has_a_vwap() -> None:
    assert vwap(Bars.of(_line(2, "10", volume="0.01"))) == pytest.approx(105)


def test_nothing_traded_has_no_vwap() -> None:
    assert vwap(Bars.of(_line(5, "1", volume="0"))) is None


def test_a_swing_low_is_of_the_newest_candles_only() -> None:
    falling, rising = _line(20, "-1"), _line(20, "1")
    assert swing_low(falling, 10) == 80
    assert swing_low(rising, 10) == 109


@pytest.mark.parametrize(
    ("name", "needed", "indicator"),
    [
        ("EMA 9", 9, lambda seen: ema(Bars.of(seen).closes, 9)),
        ("EMA 9", 9, lambda seen: ema_series(Bars.of(seen).closes, 9)),
        ("RSI 14", 16, lambda seen: rsi(Bars.of(seen), 14)),
        ("MACD 12/26/9", 35, lambda seen: macd_histogram(Bars.of(seen).closes, 12, 26, 9)),
        ("ATR 14", 15, lambda seen: atr(Bars.of(seen), 14)),
        ("ADX 14", 28, lambda seen: adx(Bars.of(seen), 14)),
        ("swing low of 10", 10, lambda seen: swing_low(seen, 10)),
    ],
)
def test_too_little_data_is_an_error_that_says_how_little(
    name: str, needed: int, indicator: Callable[[list[Candle]], object]
) -> None:
    indicator(_line(needed, "1"))
    with pytest.raises(ValueError, match=f"{needed - 1} values give no {name}: it needs {needed}"):
        indicator(_line(needed - 1, "1"))
