"""When the strategy sells by itself: the fast average crosses below the middle one, or the opposite of an entry holds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from shared.strategies.port import Exit
from shared.strategies.trend.exit import crossed_below, exit_reason
from tests.unit.master_strategy.values import NOW
from tests.unit.strategies.trend.windows import (
    PERIOD,
    Number,
    decide,
    decimal,
    edge,
    held,
    line,
    mirrored,
    reading,
    window,
    zigzag,
)

ONLY_CROSS: Final[dict[str, Any]] = {"opposite_trend_conditions": 5, "opposite_trigger_conditions": 5}


def _turned(fall: Number) -> list[Number]:
    """Closes that rise by 1 for 99 candles; the last one falls."""
    return [*range(1000, 1099), 1098 - decimal(fall)]


def test_the_whole_position_is_sold_when_the_fast_average_crosses_below_the_middle_one() -> None:
    above, below = edge(lambda fall: decide(window(_turned(fall)), held(since=50), **ONLY_CROSS) is not None, 0, 100)
    intent = decide(window(_turned(below)), held(since=50), **ONLY_CROSS)
    assert isinstance(intent, Exit)
    assert (intent.fraction, intent.reason) == (Decimal(1), "EMA 9 crossed below EMA 21")
    seen = reading(window(_turned(above)))
    assert abs(seen.ema_fast - seen.ema_middle) < 1e-6


def _down(after: int) -> list[int]:
    """Closes that rise by 1, and fall by 1 in the last `after` candles."""
    top = 1100 - after
    return [*range(1000, top), *range(top, top - after, -1)]


def test_a_cross_that_could_not_be_acted_upon_still_counts_at_the_next_candles() -> None:
    for after in (15, 16, 20, 30):
        seen = reading(window(_down(after)))
        assert seen.ema_fast < seen.ema_middle
        assert crossed_below(seen, NOW + 60 * PERIOD)


def test_what_was_entered_below_has_not_crossed() -> None:
    seen = reading(window(_down(30)))
    assert seen.fast_below_middle[-8:] == [True] * 8
    assert not crossed_below(seen, NOW + 95 * PERIOD)
    assert not exit_reason(reading(window(_down(30)), **ONLY_CROSS), held(since=95))


def test_the_candle_at_whose_end_was_entered_is_the_first_that_counts() -> None:
    seen = reading(window(_down(30)))
    first_below = 100 - list(reversed(seen.fast_below_middle)).index(False)  # index of the first candle below
    assert seen.fast_below_middle[first_below - 100] is True
    assert seen.fast_below_middle[first_below - 101] is False
    entered_at_last_above = NOW + first_below * PERIOD
    assert crossed_below(seen, entered_at_last_above)
    assert crossed_below(seen, entered_at_last_above + PERIOD - 1)
    assert not crossed_below(seen, entered_at_last_above + PERIOD)


def test_a_position_older_than_the_window_is_sold_if_the_fast_average_is_below_in_all_of_it() -> None:
    seen = reading(line(-1))
    assert all(seen.fast_below_middle)
    assert crossed_below(seen, NOW - PERIOD)
    assert not crossed_below(seen, NOW + 95 * PERIOD)


def test_an_average_that_is_not_below_has_not_crossed() -> None:
    assert not crossed_below(reading(line(1)), NOW)
    assert not crossed_below(reading(line(0)), NOW)


def test_nothing_is_sold_in_an_unbroken_trend() -> None:
    assert decide(line(1), held(since=50)) is None


def test_the_opposite_of_an_entry_sells_the_whole_position() -> None:
    intent = decide(mirrored(zigzag("0.5")), held(since=99))
    assert isinstance(intent, Exit)
    assert intent.fraction == 1
    assert (
        intent.reason
        == "opposite: trend 5 of 5 (volume, VWAP, EMA, MACD, ADX), trigger 4 of 5 (volume, near, MACD, RSI)"
    )


def test_what_is_held_is_not_entered_again() -> None:
    assert decide(line(1), held(), trend_conditions=0, trigger_conditions=0) is None
    assert decide(line(1, wick=1), None, trend_conditions=0, trigger_conditions=0) is not None
