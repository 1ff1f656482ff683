"""On paper the ladder only counts: it says once that a user is ready, and neither count nor fault leads to real money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.domain.stages.ladder import (
    BY_LADDER,
    LadderState,
    Move,
    Sign,
    TradeFact,
    align,
    climb,
    count,
    effective_stage,
    is_complete,
    step_back,
)
from shared.domain.stages.stage import Stage, StagePolicy
from tests.support.examples import NOW

ON_PAPER = StagePolicy(
    start=Stage.PAPER, max=Stage.QUARTER, auto=True, trades=2, faults=2, max_tracking_bps=Decimal(10)
)
NEW = LadderState(Stage.PAPER, Stage.PAPER, NOW)
READY = "ready for stage shadow: 2 clean trades on paper, 5 bps from the master's prices on average"


def traded(number: int, bps: str = "5") -> list[TradeFact]:
    return [TradeFact(Sign.TRADED, NOW + 2, NOW + 1, Decimal(bps), Stage.FULL)] * number


def counted(state: LadderState, *facts: TradeFact) -> LadderState:
    return count(state, ON_PAPER, facts, frozenset(), NOW + 3)


def test_after_a_clean_count_it_says_once_that_the_user_is_ready_and_moves_nobody() -> None:
    state, said = climb(counted(NEW, *traded(2)), ON_PAPER, [], NOW + 4)
    assert said == Move(Stage.PAPER, Stage.PAPER, BY_LADDER, READY, NOW + 4)
    assert (state.stage, state.ready, state.clean) == (Stage.PAPER, READY, 0)
    again, nothing = climb(counted(state, *traded(2, "1")), ON_PAPER, [], NOW + 5)
    assert nothing is None
    assert again.ready == READY.replace("5 bps", "1 bps")


@pytest.mark.parametrize(("bps", "findings"), [("11", []), ("5", ["missing decision x"])])
def test_prices_far_from_the_masters_or_an_audit_that_found_something_make_no_one_ready(
    bps: str, findings: list[str]
) -> None:
    state, said = climb(counted(NEW, *traded(2, bps)), ON_PAPER, findings, NOW + 4)
    assert (said, state.ready, state.stage) == (None, "", Stage.PAPER)
    assert state.held_back


def test_one_trade_less_is_not_enough_and_no_check_of_a_venue_counts() -> None:
    checked = TradeFact(Sign.CHECKED, NOW + 2, NOW + 1)
    assert not is_complete(counted(NEW, *traded(1), checked, checked), ON_PAPER)


def test_a_burst_of_faults_ends_it() -> None:
    state, _ = climb(counted(NEW, *traded(2)), ON_PAPER, [], NOW + 4)
    faults = [TradeFact(Sign.FAULT, NOW + 2)] * 2
    after, move = step_back(counted(state, *faults), ON_PAPER, NOW + 5)
    assert (move, after.stage, after.ready) == (None, Stage.PAPER, "")


@given(st.sampled_from(list(Stage)), st.sampled_from(list(Stage)))
def test_whatever_is_recorded_a_file_that_says_paper_means_paper(recorded: Stage, most: Stage) -> None:
    policy = replace(ON_PAPER, max=most)
    for start in Stage:
        assert effective_stage(policy, LadderState(recorded, start, NOW)) is Stage.PAPER


def test_moved_by_a_person_the_count_begins_again_at_shadow() -> None:
    state, _ = climb(counted(NEW, *traded(2)), ON_PAPER, [], NOW + 4)
    after, move = align(state, replace(ON_PAPER, start=Stage.SHADOW), NOW + 5)
    assert move == Move(Stage.PAPER, Stage.SHADOW, "file", "the file says start shadow, max 0.25", NOW + 5)
    assert after == LadderState(Stage.SHADOW, Stage.SHADOW, NOW + 5)
