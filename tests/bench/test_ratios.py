"""What the bench makes of rounds: a ratio within each, its spread, and whether a goal may be judged by it."""

from __future__ import annotations

import pytest

from tests.bench.goals import judge
from tests.bench.ratio import WIDE, Ratio
from tests.bench.turns import PATH, SHOAL, Taken, Turns


def turns(shoal: list[float], path: list[float]) -> Turns:
    return Turns(100, {SHOAL: [Taken(ms) for ms in shoal], PATH: [Taken(ms) for ms in path]})


def test_a_machine_that_is_twice_as_slow_for_a_round_changes_no_ratio() -> None:
    ratio = turns([30.0, 60.0, 30.0], [20.0, 40.0, 20.0]).time(SHOAL, PATH)
    assert ratio is not None
    assert (ratio.rounds, ratio.spread) == ((1.5, 1.5, 1.5), 0.0)


@pytest.mark.parametrize(
    ("shoal", "held", "word"),
    [
        ([20.0, 21.0, 19.0], True, "held"),
        ([50.0, 51.0, 49.0], False, "missed"),
        ([10.0, 50.0, 90.0], None, "the rounds disagree too much to judge"),
        ([50.0, 51.0], None, "the rounds disagree too much to judge"),
    ],
)
def test_a_goal_is_judged_only_by_rounds_that_agree(shoal: list[float], held: bool | None, word: str) -> None:
    goal = judge([turns(shoal, [20.0] * len(shoal))], {}, [])[0]
    assert (goal.held, goal.word) == (held, word)


def test_what_was_not_measured_decides_nothing() -> None:
    assert {goal.held for goal in judge([], {}, [])} == {None}


def test_the_spread_is_that_of_the_middle_half() -> None:
    assert Ratio((1.0, 1.0, 1.0, 1.0, 9.0)).spread == 0.0, "one stalled round of five hides nothing"
    assert Ratio((1.0, 1.0, 2.0, 3.0, 3.0)).spread > WIDE
