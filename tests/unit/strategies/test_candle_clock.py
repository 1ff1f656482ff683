"""No entry in a candle's first seconds: exact on both sides of the bound, by the venue's clock or at a paper market's pace."""

from __future__ import annotations

import pytest

from shared.strategies.candle_clock import CandleClock
from tests.unit.master_strategy.values import MINUTE, NOW

WAIT = 6
FIVE = 5 * MINUTE


@pytest.mark.parametrize(
    ("into", "left"),
    [(0, 6_000), (1, 5_999), (5_999, 1), (6_000, 0), (6_001, 0), (FIVE - 1, 0), (FIVE, 6_000), (FIVE + 6_000, 0)],
)
def test_live_the_bound_is_exact_in_every_candle(into: int, left: int) -> None:
    clock = CandleClock(5, market_time_is_wall_time=True)
    assert NOW % FIVE == 0
    assert clock.until_settled(WAIT, NOW + into, NOW + into) == left


def test_live_what_the_venue_lists_late_changes_nothing() -> None:
    clock = CandleClock(5, market_time_is_wall_time=True)
    clock.saw(NOW - 2 * FIVE, NOW + 2_000)
    assert clock.until_settled(WAIT, NOW + 2_000, NOW + 2_000) == 4_000


@pytest.mark.parametrize(("now", "left"), [(6_000, 250), (6_249, 1), (6_250, 0), (100, 6_150)])
def test_a_clock_that_is_not_known_exactly_counts_from_the_earliest_that_it_can_show(now: int, left: int) -> None:
    clock = CandleClock(5, market_time_is_wall_time=True)
    assert clock.until_settled(WAIT, NOW + now, NOW + now - 250) == left


def test_without_the_rule_nothing_is_waited_for() -> None:
    for live in (True, False):
        clock = CandleClock(1, market_time_is_wall_time=live)
        clock.saw(0, NOW)
        assert clock.until_settled(0, NOW, NOW - 1_000) == 0


def _paper(pace: int) -> CandleClock:
    """Return the clock of a paper market of which two candles were seen, the second one at NOW."""
    clock = CandleClock(5, market_time_is_wall_time=False)
    clock.saw(FIVE, NOW - FIVE // pace)
    clock.saw(2 * FIVE, NOW)
    return clock


@pytest.mark.parametrize(("pace", "wait"), [(1, 6_000), (60, 100), (240, 25)])
def test_on_paper_the_bound_is_market_time_whatever_its_pace(pace: int, wait: int) -> None:
    clock = _paper(pace)
    assert clock.until_settled(WAIT, NOW, NOW) == wait
    assert clock.until_settled(WAIT, NOW + wait - 1, NOW) == 1
    assert clock.until_settled(WAIT, NOW + wait, NOW) == 0


def test_on_paper_an_older_candle_of_another_symbol_is_no_new_one() -> None:
    clock = _paper(60)
    clock.saw(2 * FIVE, NOW + 1_000)
    clock.saw(FIVE, NOW + 2_000)
    assert clock.until_settled(WAIT, NOW + 100, NOW) == 0


def test_on_paper_the_first_candle_counts_as_one_at_real_pace_and_a_late_one_slows_nothing_below_it() -> None:
    clock = CandleClock(5, market_time_is_wall_time=False)
    assert clock.until_settled(WAIT, NOW, NOW) == 0, "nothing was read, so there is nothing to decide about"
    clock.saw(FIVE, NOW)
    assert clock.until_settled(WAIT, NOW + 5_999, NOW) == 1
    clock.saw(2 * FIVE, NOW + 2 * FIVE)
    assert clock.until_settled(WAIT, NOW + 2 * FIVE, NOW) == 6_000


def test_on_paper_candles_that_were_passed_over_count_for_the_pace() -> None:
    clock = CandleClock(5, market_time_is_wall_time=False)
    clock.saw(FIVE, NOW)
    clock.saw(4 * FIVE, NOW + 15_000)  # one in 5 s
    assert clock.until_settled(WAIT, NOW + 15_000, NOW) == 100
