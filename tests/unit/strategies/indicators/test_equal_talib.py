"""Each indicator equals TA-Lib, from the end of its warm-up on: as a series grows, and in windows within a series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import talib

from shared.strategies.indicators import (
    Bars,
    adx,
    atr,
    bearish_engulfing,
    bullish_engulfing,
    ema,
    ema_series,
    macd_histogram,
    rsi,
    sma,
    swing_low,
    vwap,
)
from shared.venues.port import Candle
from tests.unit.strategies.indicators.random_candles import random_candles

WINDOW = 100
MARKETS = {
    "large prices": random_candles(1, 400),
    "wild": random_candles(2, 400, price=150.0, move=0.03, places=2),
    "small prices": random_candles(3, 400, price=0.12, move=0.002, places=7),
}
Ours = Callable[[Sequence[Candle]], float | None]
Theirs = Callable[[Any, Any, Any, Any, Any], Any]


def _arrays(candles: Sequence[Candle]) -> list[Any]:
    fields = ("open", "high", "low", "close", "volume")
    return [np.array([float(getattr(candle, field)) for candle in candles]) for field in fields]


def _closes(candles: Sequence[Candle]) -> list[float]:
    return [float(candle.close) for candle in candles]


def _vwap(_opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any) -> Any:
    typical = talib.TYPPRICE(highs, lows, closes)
    return talib.SUM(typical * volumes, len(volumes)) / talib.SUM(volumes, len(volumes))


def _ema(length: int) -> tuple[int, Ours, Theirs]:
    def theirs(_opens: Any, _highs: Any, _lows: Any, closes: Any, _volumes: Any) -> Any:
        return talib.EMA(closes, length)

    return length, lambda seen: ema(_closes(seen), length), theirs


PAIRS: dict[str, tuple[int, Ours, Theirs]] = {
    "EMA 9": _ema(9),
    "EMA 21": _ema(21),
    "EMA 50": _ema(50),
    "SMA 20": (
        20,
        lambda seen: float(sma([candle.close for candle in seen], 20)),
        lambda _o, _h, _l, closes, _v: talib.SMA(closes, 20),
    ),
    "VWAP": (2, lambda seen: vwap(Bars.of(seen)), _vwap),
    "RSI": (16, lambda seen: rsi(Bars.of(seen), 14).value, lambda _o, _h, _l, closes, _v: talib.RSI(closes, 14)),
    "MACD": (
        35,
        lambda seen: macd_histogram(_closes(seen), 12, 26, 9).value,
        lambda _o, _h, _l, closes, _v: talib.MACD(closes, 12, 26, 9)[2],
    ),
    "ATR": (
        15,
        lambda seen: atr(Bars.of(seen), 14),
        lambda _o, highs, lows, closes, _v: talib.ATR(highs, lows, closes, 14),
    ),
    "ADX": (
        28,
        lambda seen: adx(Bars.of(seen), 14),
        lambda _o, highs, lows, closes, _v: talib.ADX(highs, lows, closes, 14),
    ),
    "swing low": (10, lambda seen: float(swing_low(seen, 10)), lambda _o, _h, lows, _c, _v: talib.MIN(lows, 10)),
}
PREVIOUS: dict[str, Ours] = {
    "RSI": lambda seen: rsi(Bars.of(seen), 14).previous,
    "MACD": lambda seen: macd_histogram(_closes(seen), 12, 26, 9).previous,
}


def _is_equal(ours: float | None, theirs: float) -> bool:
    return ours is not None and math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", PAIRS)
def test_an_indicator_equals_talib_at_each_candle_of_a_growing_series(name: str, market: str) -> None:
    warm_up, ours, theirs = PAIRS[name]
    for end in range(warm_up, WINDOW + 1):
        seen = MARKETS[market][:end]
        assert _is_equal(ours(seen), theirs(*_arrays(seen))[-1]), end


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", PAIRS)
def test_an_indicator_equals_talib_in_windows_within_a_series(name: str, market: str) -> None:
    _, ours, theirs = PAIRS[name]
    for end in range(WINDOW, len(MARKETS[market]) + 1, 7):
        seen = MARKETS[market][end - WINDOW : end]
        assert _is_equal(ours(seen), theirs(*_arrays(seen))[-1]), end


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", PREVIOUS)
def test_the_value_before_is_that_of_the_same_series(name: str, market: str) -> None:
    for end in range(PAIRS[name][0], WINDOW + 1):
        seen = MARKETS[market][:end]
        assert _is_equal(PREVIOUS[name](seen), PAIRS[name][2](*_arrays(seen))[-2]), end


@pytest.mark.parametrize("market", MARKETS)
def test_the_whole_series_of_an_ema_equals_talib(market: str) -> None:
    closes = _closes(MARKETS[market])
    expected = talib.EMA(np.array(closes), 21)[20:]
    assert all(map(_is_equal, ema_series(closes, 21), expected))
    assert len(ema_series(closes, 21)) == len(expected)


@pytest.mark.parametrize("market", MARKETS)
def test_engulfing_is_that_of_talib(market: str) -> None:
    candles = MARKETS[market]
    opens, highs, lows, closes, _ = _arrays(candles)
    found = talib.CDLENGULFING(opens, highs, lows, closes)
    pairs = list(pairwise(candles))[2:]  # TA-Lib answers from the third candle on
    assert [bullish_engulfing(*pair) for pair in pairs] == [value > 0 for value in found[3:]]
    assert [bearish_engulfing(*pair) for pair in pairs] == [value < 0 for value in found[3:]]
    assert {value > 0 for value in found[3:]} == {True, False}
