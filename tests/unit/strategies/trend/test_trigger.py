"""The five conditions of the trigger and their opposites, each at its boundary."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.strategies.trend.conditions import OPPOSITE_TRIGGER, TRIGGER
from shared.venues.port import Candle
from tests.unit.strategies.trend.windows import (
    Number,
    decimal,
    edge,
    line,
    reading,
    window,
    with_last,
    with_volumes,
    zigzag,
)

FLAT = [100] * 99
CALM = [*line(0)[:98], *with_last(line(0), open=1010, close=990, low=990, high=1010)[-1:], line(0)[-1]]
"""Before the last candle is a red one, too large to be engulfed and no reason for anything."""


def _up(name: str, candles: Sequence[Candle]) -> bool:
    return dict(TRIGGER.conditions)[name](reading(candles))


def _down(name: str, candles: Sequence[Candle]) -> bool:
    return dict(OPPOSITE_TRIGGER.conditions)[name](reading(candles))


def _drift(candles: Sequence[Candle], level: float | None) -> float:
    assert level is not None
    return abs(float(candles[-1].close) / level - 1) * 100


def test_there_are_five_and_five_opposites() -> None:
    names = ["volume", "candle", "near", "MACD", "RSI"]
    assert [name for name, _ in TRIGGER.conditions] == [name for name, _ in OPPOSITE_TRIGGER.conditions] == names


@pytest.mark.parametrize("far", ["0.5", "-0.5"])
def test_the_price_is_within_one_per_cent_of_the_middle_average(far: str) -> None:
    def candles(step: Number) -> list[Candle]:  # after a jump the window's VWAP is far away
        return window([*[100] * 30, *[200] * 69, 200 * (1 + decimal(step) / 100)], bodies=False)

    outside, inside = edge(lambda step: _up("near", candles(step)), float(far) * 4, 0)
    assert _drift(candles(inside), reading(candles(inside)).ema_middle) == pytest.approx(1, abs=1e-6)
    assert _drift(candles(outside), reading(candles(outside)).vwap) > 10
    assert _down("near", candles(inside))
    assert not _down("near", candles(outside))


@pytest.mark.parametrize("far", [-10, 10])
def test_or_within_one_per_cent_of_the_vwap(far: int) -> None:
    def candles(last: Number) -> list[Candle]:  # heavy trading at 100, then a light excursion that the averages follow
        excursion = window([*[100] * 70, *[100 + far] * 29, last], volume=1, bodies=False)
        return [*with_volumes(excursion[:70], *[10_000] * 70), *excursion[70:]]

    outside, inside = edge(lambda last: _up("near", candles(last)), 100 + far / 2, 100)
    vwap = reading(candles(inside)).vwap
    assert _drift(candles(inside), vwap) == pytest.approx(1, abs=1e-6)
    assert _drift(candles(inside), reading(candles(inside)).ema_middle) > 2
    assert _down("near", candles(inside))
    assert not _down("near", candles(outside))


def test_just_one_per_cent_is_near() -> None:
    seen = reading(window([*FLAT, 99]))
    assert seen.is_near(100.0)
    assert not seen.is_near(100.0000001)
    assert reading(window([*FLAT, 101])).is_near(100.0)
    assert not seen.is_near(None)


@pytest.mark.parametrize(("no", "yes", "limit"), [("0.3", "0.9", 70), ("3.2", "1.2", 30)])
def test_rsi_is_between_thirty_and_seventy(no: str, yes: str, limit: int) -> None:
    outside, inside = edge(lambda back: _up("RSI", zigzag(back)), no, yes)
    assert reading(zigzag(inside)).rsi.value == pytest.approx(limit, abs=1e-6)
    assert reading(zigzag(outside)).rsi.value == pytest.approx(limit, abs=1e-6)


def test_an_rsi_of_just_the_limit_is_not_between() -> None:
    seen = reading(zigzag("0.9"))
    value = seen.rsi.value
    assert "RSI" not in TRIGGER.met(reading(zigzag("0.9"), rsi_high=value))
    assert "RSI" not in TRIGGER.met(reading(zigzag("0.9"), rsi_low=value))
    assert "RSI" in TRIGGER.met(reading(zigzag("0.9"), rsi_low=value - 1e-9, rsi_high=value + 1e-9))


def test_rsi_rises_or_falls() -> None:
    up, down = zigzag("0.9"), zigzag("0.9", ends_up=False)
    assert (_up("RSI", up), _down("RSI", up)) == (True, False)
    assert (_up("RSI", down), _down("RSI", down)) == (False, True)


def test_an_rsi_that_stays_neither_rises_nor_falls() -> None:
    candles = zigzag("0.9")
    still = [*candles[1:], *window([candles[-1].close])]
    assert 30 < reading(still).rsi.value < 70
    assert not _up("RSI", still)
    assert not _down("RSI", still)


def test_a_bullish_candle_is_engulfing_or_a_hammer() -> None:
    red_before = with_last(line(1), open=1098, close=1097, low=1096, high=1099)
    engulfing = [*red_before[1:], *window([1099])]
    engulfing = with_last(engulfing, open="1096.5", close="1098.5", low="1096", high="1099")
    hammer = with_last(CALM, open=1000, close=1001, low=996, high=1001)
    neither = with_last(CALM, open=1000, close=1001, low=999, high=1002)
    assert [_up("candle", each) for each in (engulfing, hammer, neither)] == [True, True, False]
    assert not any(_down("candle", each) for each in (engulfing, hammer, neither))


def test_a_bearish_candle_is_engulfing_or_a_shooting_star() -> None:
    green_before = with_last(line(0), open=1000, close=1001, low=999, high=1002)
    engulfing = with_last([*green_before[1:], *window([999])], open="1001.5", close="999.5", low="999", high="1002")
    star = with_last(CALM, open=1000, close=999, low=999, high=1004)
    neither = with_last(CALM, open=1000, close=999, low=998, high=1001)
    assert [_down("candle", each) for each in (engulfing, star, neither)] == [True, True, False]
    assert not any(_up("candle", each) for each in (engulfing, star, neither))


@pytest.mark.parametrize(("wick", "found"), [("2", False), ("2.00000001", True)])
def test_a_hammer_has_a_wick_over_twice_its_body(wick: str, found: bool) -> None:
    low = 1000 - float(wick)
    assert _up("candle", with_last(CALM, open=1000, close=1001, low=f"{low:.8f}", high=1001)) is found
    assert _down("candle", with_last(CALM, open=1000, close=999, high=f"{2000 - low:.8f}", low=999)) is found


@pytest.mark.parametrize(("top", "found"), [("1002", False), ("1001.99999999", True)])
def test_a_hammer_has_a_wick_over_sixty_per_cent_of_its_range(top: str, found: bool) -> None:
    assert _up("candle", with_last(CALM, open=1000, close=1001, low=997, high=top)) is found
    assert _down("candle", with_last(CALM, open=1000, close=999, high=1003, low=f"{2000 - float(top):.8f}")) is found


@pytest.mark.parametrize(
    ("last", "up", "down"), [("100.000001", True, False), ("100", False, False), ("99.999999", False, True)]
)
def test_the_histogram_rises_or_falls(last: str, up: bool, down: bool) -> None:
    candles = window([*FLAT, last])
    assert (_up("MACD", candles), _down("MACD", candles)) == (up, down)


def test_a_negative_histogram_can_rise() -> None:
    candles = window([*FLAT[:95], 90, 91, 92, 93, 94])
    assert reading(candles).histogram.value < 0
    assert _up("MACD", candles)


def test_the_volume_is_sixty_per_cent_of_the_mean_of_the_two_before() -> None:
    for holds in (_up, _down):
        assert holds("volume", with_volumes(line(1), 12, 8, 6))
        assert not holds("volume", with_volumes(line(1), 12, 8, "5.99999999"))
        assert holds("volume", with_volumes(line(1), 1000, 12, 8, 6))
        assert not holds("volume", with_volumes(line(1), 0, 12, 8, "5.99999999"))
        assert not holds("volume", with_volumes(line(1), 0, 0, 0))
