"""Size, stop, targets and trail of an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Enter
from shared.strategies.trend import TrendSettings
from shared.strategies.trend.entry import equity_share, exit_plan
from shared.venues.port import Candle
from tests.unit.strategies.trend.windows import Number, decide, edge, line, reading, window, with_last, zigzag


def _entry(candles: Sequence[Candle], **settings: Any) -> Enter:
    intent = decide(candles, **settings)
    assert isinstance(intent, Enter)
    return intent


def _plan(candles: Sequence[Candle], **settings: Any) -> ExitPlan:
    plan = _entry(candles, **settings).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("adx", "percent"),
    [(20, 2), (25, 2), (25.001, 3), (30, 3), (30.001, 4), (40, 4), (40.001, 5), (100, 5)],
)
def test_the_size_is_by_adx_and_the_smaller_one_at_a_boundary(adx: float, percent: int) -> None:
    assert equity_share(adx, TrendSettings()) == Decimal(percent) / 100


@pytest.mark.parametrize(("boundary", "weak", "strong"), [(25, "2", "3"), (30, "3", "4"), (40, "4", "5")])
def test_a_stronger_trend_is_entered_with_more(boundary: int, weak: str, strong: str) -> None:
    def share(back: Number) -> Decimal:
        return _entry(zigzag(back)).share * 100

    below, above = edge(lambda back: share(back) >= Decimal(strong), "0.66", "0.37")
    assert (share(below), share(above)) == (Decimal(weak), Decimal(strong))
    assert reading(zigzag(above)).adx == pytest.approx(boundary, abs=1e-6)


def test_stop_targets_and_trail_of_a_window_that_one_can_work_out() -> None:
    candles = zigzag("0.5")
    assert candles[-1].close == 1025
    assert min(candle.low for candle in candles[-10:]) == 1021
    assert reading(candles).atr == pytest.approx(2)  # as every candle's range is
    assert _plan(candles) == ExitPlan(
        stop=Decimal(1018),
        targets=(
            Target(Decimal(1032), Decimal("0.5")),
            Target(Decimal("1035.5"), Decimal("0.5")),
            Target(Decimal(1039), Decimal(1)),
        ),
        break_even=Decimal(1025),
        trail=Decimal(3),
    )


def _stop(candles: Sequence[Candle], **settings: Any) -> Decimal:
    plan = exit_plan(reading(candles, **settings))
    assert plan is not None
    return plan.stop


def test_the_swing_low_is_of_ten_candles() -> None:
    candles = zigzag("0.5")
    tenth, eleventh = list(candles), list(candles)
    tenth[-10] = replace(candles[-10], low=Decimal(1015))
    eleventh[-11] = replace(candles[-11], low=Decimal(1015))
    assert _stop(tenth) < 1015 < _stop(eleventh)
    assert _stop(eleventh, swing_candles=11) < 1015


def test_the_last_candle_is_part_of_the_swing() -> None:
    assert _stop(with_last(zigzag("0.5"), low=1015)) < 1015


def test_the_plan_sells_what_the_description_says() -> None:
    plan = _plan(zigzag("0.5"))
    sold, left = [], Decimal(1)
    for target in plan.targets:
        sold.append(left * target.fraction)
        left -= sold[-1]
    assert (sold, left) == ([Decimal("0.5"), Decimal("0.25"), Decimal("0.25")], Decimal(0))


def test_after_the_first_target_the_stop_is_at_the_entry_and_then_follows() -> None:
    plan = _plan(zigzag("0.5"))
    first = plan.targets[0].price
    due = plan.due(first)
    assert due is not None
    after = plan.after_exit(due, first)
    assert after.stop == first - 3 > Decimal(1025)
    assert replace(plan, trail=None).after_exit(due, first).stop == 1025
    assert after.after_price(Decimal(1035)).stop == 1032


def test_a_stop_is_rounded_down_to_eight_digits() -> None:
    candles = window([Decimal(1000) + Decimal(index) / 3 for index in range(100)], wick="0.7")
    seen = reading(candles)
    plan = exit_plan(seen)
    assert plan is not None
    assert plan.stop == plan.stop.quantize(Decimal("0.0001"))
    atr = Decimal(seen.atr).quantize(Decimal("0.0001"))
    assert 0 < seen.swing_low - Decimal("1.5") * atr - plan.stop < Decimal("0.0001")


@pytest.mark.parametrize("price", ["0.00001234", "0.4567", "61234.5"])
def test_a_stop_has_as_many_digits_whatever_the_price(price: str) -> None:
    unit = Decimal(price) / 1025
    candles = [
        Candle(each.opened_at, *(unit * getattr(each, name) for name in ("open", "high", "low", "close")), each.volume)  # type: ignore[call-arg]
        for each in zigzag("0.5")
    ]
    assert float(_plan(candles).stop) == pytest.approx(float(unit) * 1018, rel=1e-7)


def test_no_plan_without_a_stop_above_zero() -> None:
    wide = window([*[100] * 90, *[100] * 10], wick=50)  # swing low 50, ATR 100
    assert exit_plan(reading(wide)) is None
    assert exit_plan(reading(wide, stop_atr="0.49")) is not None
    assert exit_plan(reading(wide, stop_atr="0.5")) is None


def test_no_plan_in_a_market_that_does_not_move() -> None:
    assert exit_plan(reading(line(0))) is None


def test_no_plan_with_a_stop_at_the_price() -> None:
    assert exit_plan(reading(line(-1), stop_atr=0)) is None  # the last close is the swing low
    assert exit_plan(reading(line(1), stop_atr=0)) is not None


def test_no_plan_in_a_market_whose_moves_are_too_small_for_a_trail() -> None:
    assert exit_plan(reading(window(["1000", "1000.000001"] * 50))) is None
    assert exit_plan(reading(window(["1000", "1000.001"] * 50))) is not None


def test_nothing_is_entered_without_a_plan() -> None:
    assert decide(line(0), min_adx=0, trend_conditions=0, trigger_conditions=0) is None
    assert decide(line(0, wick=1), min_adx=0, trend_conditions=0, trigger_conditions=0) is not None


def test_the_reason_names_what_was_met_and_the_stop() -> None:
    assert _entry(zigzag("0.5")).reason == (
        "ADX 33.5, trend 5 of 5 (volume, VWAP, EMA, MACD, ADX), trigger 4 of 5 (volume, near, MACD, RSI), stop 1018.0000"
    )
