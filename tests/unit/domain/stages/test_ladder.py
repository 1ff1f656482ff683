"""The rule of the canary ladder: N clean trades climb a step, a burst of faults steps back, and the file bounds both."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.stages.ladder import (
    BY_FILE,
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
from shared.domain.stages.stage import STEPS, Stage, StagePolicy, rank
from tests.support.examples import NOW

HOUR = 3_600_000
FROM_SHADOW = StagePolicy(start=Stage.SHADOW, auto=True, trades=3, faults=2)
NOTHING: frozenset[str] = frozenset()


def a_state(stage: Stage, **changes: Any) -> LadderState:
    return replace(LadderState(stage, Stage.SHADOW, NOW), **changes)


def traded(number: int = 1, bps: str | None = "5", stage: Stage | None = Stage.CANARY) -> list[TradeFact]:
    return [TradeFact(Sign.TRADED, NOW + 2, NOW + 1, None if bps is None else Decimal(bps), stage)] * number


def checked(number: int = 1) -> list[TradeFact]:
    return [TradeFact(Sign.CHECKED, NOW + 2, NOW + 1)] * number


def fault(at: int = NOW + 2) -> TradeFact:
    return TradeFact(Sign.FAULT, at)


def counted(state: LadderState, *facts: TradeFact, policy: StagePolicy = FROM_SHADOW) -> LadderState:
    return count(state, policy, facts, NOTHING, NOW + 3)


def test_clean_checks_climb_from_shadow_to_the_smallest_share() -> None:
    state = counted(a_state(Stage.SHADOW, cursor="7-0"), *checked(3))
    after, move = climb(state, FROM_SHADOW, [], NOW + 4)
    assert move == Move(Stage.SHADOW, Stage.CANARY, BY_LADDER, "3 clean checks", NOW + 4)
    assert after == LadderState(Stage.CANARY, Stage.SHADOW, NOW + 4, cursor="7-0")


def test_one_trade_less_does_not_climb() -> None:
    state = counted(a_state(Stage.SHADOW), *checked(2))
    assert not is_complete(state, FROM_SHADOW)
    assert climb(state, FROM_SHADOW, [], NOW + 4) == (state, None)


@pytest.mark.parametrize(("stage", "facts"), [(Stage.SHADOW, traded(9)), (Stage.CANARY, checked(9))])
def test_what_happened_at_another_stage_proves_nothing_at_this_one(stage: Stage, facts: list[TradeFact]) -> None:
    assert counted(a_state(stage), *facts).clean == 0


@pytest.mark.parametrize("stage", [Stage.QUARTER, Stage.FULL, Stage.SHADOW])
def test_an_entry_of_another_stage_does_not_count(stage: Stage) -> None:
    assert counted(a_state(Stage.CANARY), *traded(9, stage=stage)).clean == 0


def test_an_exit_counts_at_every_stage_unless_the_master_sold_before_the_step() -> None:
    assert counted(a_state(Stage.CANARY), *traded(2, stage=None)).clean == 2
    assert counted(a_state(Stage.CANARY, since=NOW + 2), *traded(2, stage=None)).clean == 0


def test_an_entry_counts_by_its_stage_whatever_the_clocks_say() -> None:
    assert counted(a_state(Stage.CANARY, since=NOW + 900), *traded(2)).clean == 2


def test_a_fault_begins_the_count_again() -> None:
    state = counted(a_state(Stage.CANARY), *traded(2), fault(), *traded(2))
    assert (state.clean, state.measured, len(state.faults)) == (2, 2, 1)
    assert state.tracking_bps == 5


def test_a_burst_of_faults_steps_back_by_one_step() -> None:
    state = counted(a_state(Stage.QUARTER, cursor="7-0"), *traded(2, stage=Stage.QUARTER), fault(), fault())
    after, move = step_back(state, FROM_SHADOW, NOW + 4)
    assert move == Move(Stage.QUARTER, Stage.CANARY, BY_LADDER, "2 faults within 60 min", NOW + 4)
    assert after == LadderState(Stage.CANARY, Stage.SHADOW, NOW + 4, cursor="7-0")


def test_faults_that_are_far_apart_are_no_burst() -> None:
    state = count(a_state(Stage.QUARTER), FROM_SHADOW, [fault(NOW - HOUR), fault(NOW)], NOTHING, NOW + 1)
    assert step_back(state, FROM_SHADOW, NOW + 1) == (state, None)


def test_there_is_no_step_below_shadow() -> None:
    state = counted(a_state(Stage.SHADOW), fault(), fault())
    after, move = step_back(state, FROM_SHADOW, NOW + 4)
    assert (move, after.stage, after.faults) == (None, Stage.SHADOW, ())
    assert after.held_back == "2 faults within 60 min; there is no lower step"


def test_a_fault_that_stands_counts_once_and_holds_back_the_climb() -> None:
    standing = frozenset({"unknown order 42"})
    state = count(a_state(Stage.CANARY), FROM_SHADOW, [], standing, NOW + 3)
    state = count(state, FROM_SHADOW, traded(3), standing, NOW + 4)
    assert (len(state.faults), state.clean) == (1, 3)
    after, move = climb(state, FROM_SHADOW, [], NOW + 5)
    assert (move, after.clean, after.held_back) == (None, 0, "3 clean trades, but unknown order 42")
    assert after.faults == state.faults  # a count that failed forgives nothing
    again = count(count(after, FROM_SHADOW, [], NOTHING, NOW + 6), FROM_SHADOW, [], standing, NOW + 7)
    assert len(again.faults) == 2


@pytest.mark.parametrize(
    ("bps", "findings", "why"),
    [
        ("25.1", [], "3 clean trades, but 25.1 bps from the master's prices on average; stage.max_tracking_bps is 25"),
        (None, [], "3 clean trades, but none has a price of the master's to compare with"),
        ("1", ["missing outcome 42"], "3 clean trades, but the audit found: missing outcome 42"),
    ],
)
def test_what_holds_back_a_climb_is_said_and_the_count_begins_again(
    bps: str | None, findings: list[str], why: str
) -> None:
    state = counted(a_state(Stage.CANARY), *traded(3, bps))
    after, move = climb(state, FROM_SHADOW, findings, NOW + 4)
    assert (move, after.stage, after.clean, after.held_back) == (None, Stage.CANARY, 0, why)


def test_prices_as_far_as_the_bound_still_climb() -> None:
    _, move = climb(counted(a_state(Stage.CANARY), *traded(3, "25")), FROM_SHADOW, [], NOW + 4)
    assert move is not None
    assert move.reason == "3 clean trades, 25 bps from the master's prices on average"


def test_it_never_climbs_past_the_files_max() -> None:
    bounded = replace(FROM_SHADOW, max=Stage.CANARY)
    state = counted(a_state(Stage.CANARY), *traded(30), policy=bounded)
    assert not is_complete(state, bounded)
    assert climb(state, bounded, [], NOW + 4) == (state, None)


def test_a_lower_max_in_the_file_takes_effect_at_once() -> None:
    bounded = replace(FROM_SHADOW, max=Stage.CANARY)
    state = a_state(Stage.FULL, clean=2)
    assert effective_stage(bounded, state) is Stage.CANARY
    after, move = align(state, bounded, NOW + 4)
    assert move == Move(Stage.FULL, Stage.CANARY, BY_FILE, "the file says start shadow, max 0.05", NOW + 4)
    assert (after.stage, after.clean) == (Stage.CANARY, 0)


def test_another_start_in_the_file_begins_there_again() -> None:
    moved = replace(FROM_SHADOW, start=Stage.QUARTER)
    state = a_state(Stage.CANARY, clean=2)
    assert effective_stage(moved, state) is Stage.QUARTER
    after, move = align(state, moved, NOW + 4)
    assert (after, move and move.by) == (LadderState(Stage.QUARTER, Stage.QUARTER, NOW + 4), BY_FILE)
    assert align(after, moved, NOW + 5) == (after, None)


def test_without_auto_the_record_counts_for_nothing() -> None:
    fixed = StagePolicy(start=Stage.SHADOW)
    assert effective_stage(fixed, a_state(Stage.FULL)) is Stage.SHADOW
    after, _ = align(a_state(Stage.FULL), fixed, NOW + 4)
    assert effective_stage(FROM_SHADOW, after) is Stage.SHADOW  # auto again later: what was reached before is gone


def test_without_a_record_it_begins_at_the_files_start() -> None:
    assert effective_stage(FROM_SHADOW, None) is Stage.SHADOW
    assert align(None, FROM_SHADOW, NOW) == (LadderState(Stage.SHADOW, Stage.SHADOW, NOW), None)


def test_only_what_changes_is_written() -> None:
    state = counted(a_state(Stage.CANARY), *traded(1), fault())
    assert count(state, FROM_SHADOW, [], NOTHING, NOW + 5) is state


_FACTS = st.lists(
    st.builds(
        TradeFact,
        st.sampled_from(Sign),
        st.integers(NOW, NOW + 2 * HOUR),
        st.integers(NOW, NOW + 2 * HOUR),
        st.none() | st.decimals(0, 100, places=2),
        st.none() | st.sampled_from(STEPS),
    ),
    max_size=12,
)
_ROUNDS = st.lists(
    st.tuples(_FACTS, st.frozensets(st.sampled_from(["a", "b"])), st.booleans(), st.integers(0, HOUR)), max_size=30
)
_POLICIES = st.builds(
    lambda start, top, trades, faults: StagePolicy(
        start=start, max=max(start, top, key=rank), auto=True, trades=trades, faults=faults
    ),
    st.sampled_from(STEPS),
    st.sampled_from(STEPS),
    st.integers(1, 4),
    st.integers(1, 4),
)


@given(_POLICIES, _ROUNDS)
def test_whatever_happens_a_move_is_one_step_within_the_files_bounds(
    policy: StagePolicy, rounds: list[tuple[list[TradeFact], frozenset[str], bool, int]]
) -> None:
    state, _ = align(None, policy, NOW)
    now = NOW
    for facts, standing, clean_audit, passed in rounds:
        now += passed
        before = state
        state = count(state, policy, facts, standing, now)
        enough = len(state.faults) >= policy.faults
        state, back = step_back(state, policy, now)
        up = None
        if back is None and is_complete(state, policy):
            judged = state
            state, up = climb(state, policy, [] if clean_audit else ["found"], now)
            assert state.clean == 0  # each complete count is judged once
            if up is not None:
                assert judged.clean >= policy.trades
                assert clean_audit
                assert not standing
                assert judged.stage is Stage.SHADOW or judged.deviation_bps <= 25 * judged.measured
        assert rank(state.stage) - rank(before.stage) == (up is not None) - (back is not None)
        assert Stage.SHADOW is min(state.stage, Stage.SHADOW, key=rank)
        assert rank(state.stage) <= rank(policy.max)
        assert (back is not None) == (enough and before.stage is not Stage.SHADOW)
        assert effective_stage(policy, state) is state.stage
        assert align(state, policy, now) == (state, None)
        assert all(at > now - policy.fault_window_ms for at in state.faults)


def test_a_share_is_a_share_and_shadow_and_paper_are_the_whole_size() -> None:
    assert [stage.share for stage in Stage] == [1, 1, Decimal("0.05"), Decimal("0.25"), 1]
    assert [stage.reduced for stage in Stage] == [False, True, True, True, False]


def test_a_setting_is_shown_in_words() -> None:
    assert str(StagePolicy(start=Stage.CANARY)) == "0.05"
    assert str(FROM_SHADOW) == "from shadow by itself to 1 at most"
