"""The five conditions of the trend and their opposites, each at its boundary."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from shared.strategies.indicators import Bars, adx, atr, macd_histogram, rsi
from shared.strategies.trend.conditions import OPPOSITE_TREND, TREND
from shared.strategies.trend.reading import is_below, is_positive
from shared.venues.port import Candle
from tests.unit.strategies.indicators.random_candles import random_candles
from tests.unit.strategies.trend.windows import edge, line, reading, window, with_volumes, zigzag

FLAT = [100] * 99


def _up(name: str, candles: Sequence[Candle]) -> bool:
    return dict(TREND.conditions)[name](reading(candles))


def _down(name: str, candles: Sequence[Candle]) -> bool:
    return dict(OPPOSITE_TREND.conditions)[name](reading(candles))


def test_there_are_five_and_five_opposites() -> None:
    names = ["volume", "VWAP", "EMA", "MACD", "ADX"]
    assert [name for name, _ in TREND.conditions] == [name for name, _ in OPPOSITE_TREND.conditions] == names


@pytest.mark.parametrize(
    ("last", "up", "down"),
    [("100.0000001", True, False), ("100", False, False), ("99.9999999", False, True)],
)
def test_the_close_is_above_the_vwap_or_below_it(last: str, up: bool, down: bool) -> None:
    candles = window([*FLAT, last], bodies=False)
    assert (_up("VWAP", candles), _down("VWAP", candles)) == (up, down)


def test_without_a_trade_there_is_no_vwap_to_be_above_or_below() -> None:
    for last in (90, 110):
        candles = window([*FLAT, last], volume=0)
        assert not _up("VWAP", candles)
        assert not _down("VWAP", candles)


def test_prices_that_differ_by_rounding_alone_are_equal() -> None:
    assert not is_below(100.0, 100.0 + 5e-11)
    assert is_below(100.0, 100.0 + 5e-10)
    assert not is_below(100.0, 100.0)
    assert not is_below(100.1, 100.0)
    assert not is_positive(5e-11, 100.0)
    assert is_positive(5e-10, 100.0)


@pytest.mark.parametrize(
    ("closes", "up", "down"),
    [
        (range(1000, 1100), True, False),
        (range(1100, 1000, -1), False, True),
        ([*FLAT, 100], False, False),
        ([*range(1070, 1000, -1), *range(1000, 1030)], True, False),
        (
            [*range(1085, 1000, -1), *range(1000, 1015)],
            False,
            False,
        ),  # the fast one is above the middle one, that below the slow one
        ([*range(1000, 1085), *range(1085, 1070, -1)], False, False),
        ([*range(1000, 1070), *range(1070, 1040, -1)], False, True),
    ],
)
def test_the_three_averages_are_in_order(closes: Sequence[int], up: bool, down: bool) -> None:
    candles = window(closes)
    assert len(candles) == 100
    assert (_up("EMA", candles), _down("EMA", candles)) == (up, down)


def test_the_averages_are_of_nine_twenty_one_and_fifty_candles() -> None:
    seen = reading(line(1))
    assert (seen.ema_fast, seen.ema_middle, seen.ema_slow) == pytest.approx((1099 - 4, 1099 - 10, 1099 - 24.5))


@pytest.mark.parametrize(
    ("last", "up", "down"), [("100.000001", True, False), ("100", False, False), ("99.999999", False, True)]
)
def test_the_histogram_is_positive_or_negative(last: str, up: bool, down: bool) -> None:
    candles = window([*FLAT, last])
    assert (_up("MACD", candles), _down("MACD", candles)) == (up, down)


def test_a_straight_line_has_no_histogram_but_for_rounding() -> None:
    candles = line("0.1")
    assert not _up("MACD", candles)
    assert not _down("MACD", candles)


def test_the_histogram_is_of_twelve_twenty_six_and_nine_candles() -> None:
    candles = zigzag("0.5")
    closes = [float(candle.close) for candle in candles]
    assert reading(candles).histogram == macd_histogram(closes, 12, 26, 9)


def test_adx_must_be_above_twenty_in_either_direction() -> None:
    for holds in (_up, _down):
        below, above = edge(lambda back, holds=holds: holds("ADX", zigzag(back)), "0.8", "0.5")  # type: ignore[misc]
        assert reading(zigzag(below)).adx == pytest.approx(20, abs=1e-6)
        assert reading(zigzag(below)).adx <= 20 < reading(zigzag(above)).adx


def test_an_adx_of_just_the_number_is_not_above_it() -> None:
    candles = zigzag("0.5")
    adx = reading(candles).adx
    assert "ADX" not in TREND.met(reading(candles, trend_adx=adx))
    assert "ADX" in TREND.met(reading(candles, trend_adx=adx - 1e-9))


def test_indices_are_of_fourteen_candles() -> None:
    candles = random_candles(4, 100)
    seen, bars = reading(candles), Bars.of(candles)
    assert (seen.adx, seen.rsi, seen.atr) == (adx(bars, 14), rsi(bars, 14), atr(bars, 14))


@pytest.mark.parametrize("last", [4, Decimal("3.99999999")])
def test_the_volume_is_that_of_the_filters(last: Decimal) -> None:
    candles = with_volumes(line(1), 9, 9, 9, 9, last)
    assert _up("volume", candles) is _down("volume", candles) is (last == 4)
