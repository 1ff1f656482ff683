"""Three of five, twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from shared.strategies.port import Enter
from shared.strategies.trend.conditions import OPPOSITE_TREND, OPPOSITE_TRIGGER, TREND, TRIGGER, Group
from shared.strategies.trend.reading import Reading
from shared.venues.port import Candle
from tests.unit.strategies.indicators.random_candles import random_candles
from tests.unit.strategies.trend.windows import decide, held, reading, zigzag

MARKET = random_candles(11, 6000, move=0.002)


def _group(*answers: bool, asked: list[int]) -> Group:
    def condition(index: int) -> Callable[[Reading], bool]:
        def ask(_: Reading) -> bool:
            asked.append(index)
            return answers[index]

        return ask

    return Group(tuple((str(index), condition(index)) for index in range(len(answers))))


@pytest.mark.parametrize("answers", [tuple(bool(bits >> index & 1) for index in range(5)) for bits in range(32)])
@pytest.mark.parametrize("at_least", range(6))
def test_a_group_holds_if_so_many_of_its_conditions_do(answers: tuple[bool, ...], at_least: int) -> None:
    seen = reading(zigzag("0.5"))
    assert _group(*answers, asked=[]).holds(seen, at_least) is (sum(answers) >= at_least)
    assert _group(*answers, asked=[]).met(seen) == [str(index) for index, held in enumerate(answers) if held]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ((True, True, True, False, False), [0, 1, 2]),
        ((False, False, False, True, True), [0, 1, 2]),
        ((True, False, True, False, True), [0, 1, 2, 3, 4]),
    ],
)
def test_no_condition_is_asked_once_the_answer_is_known(answers: tuple[bool, ...], asked: list[int]) -> None:
    found: list[int] = []
    _group(*answers, asked=found).holds(reading(zigzag("0.5")), 3)
    assert found == asked


def _windows() -> Sequence[list[Candle]]:
    return [MARKET[end - 100 : end] for end in range(100, len(MARKET) + 1)]


def _first(fits: Callable[[Reading], bool]) -> list[Candle]:
    """Return the first window in a random market that fits."""
    return next(candles for candles in _windows() if fits(reading(candles)))


def _passes_filters(seen: Reading) -> bool:
    return seen.volume_ok and seen.adx >= 20


def _counts(seen: Reading) -> tuple[int, int]:
    return len(TREND.met(seen)), len(TRIGGER.met(seen))


def test_three_of_each_are_entered() -> None:
    candles = _first(lambda seen: _passes_filters(seen) and _counts(seen) == (3, 3))
    assert isinstance(decide(candles), Enter)
    assert not decide(candles, trend_conditions=4)
    assert not decide(candles, trigger_conditions=4)


def test_two_of_the_trend_are_not_entered_whatever_the_trigger() -> None:
    candles = _first(lambda seen: _passes_filters(seen) and _counts(seen)[0] == 2 and _counts(seen)[1] >= 3)
    assert not decide(candles)
    assert decide(candles, trend_conditions=2)


def test_two_of_the_trigger_are_not_entered_whatever_the_trend() -> None:
    candles = _first(lambda seen: _passes_filters(seen) and _counts(seen)[0] >= 4 and _counts(seen)[1] == 2)
    assert not decide(candles)
    assert decide(candles, trigger_conditions=2)


def test_three_opposites_of_each_end_a_position() -> None:
    def opposite(trend: int, trigger: int) -> list[Candle]:
        return _first(
            lambda seen: (
                seen.ema_fast > seen.ema_middle
                and (len(OPPOSITE_TREND.met(seen)), len(OPPOSITE_TRIGGER.met(seen))) == (trend, trigger)
            )
        )

    assert decide(opposite(3, 3), held())
    assert not decide(opposite(3, 3), held(), opposite_trend_conditions=4)
    assert not decide(opposite(3, 3), held(), opposite_trigger_conditions=4)
    assert not decide(opposite(2, 3), held())
    assert not decide(opposite(3, 2), held())
    assert decide(opposite(2, 3), held(), opposite_trend_conditions=0)
    assert decide(opposite(3, 2), held(), opposite_trigger_conditions=0)
