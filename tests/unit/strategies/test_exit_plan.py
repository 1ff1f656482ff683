"""A recorded exit plan: stop, targets, break-even, trailing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.strategies.exit_plan import DueExit, ExitPlan, Target

D = Decimal
HALF = D("0.5")
PLAN = ExitPlan(
    stop=D(90),
    targets=(Target(D(110), HALF), Target(D(115), HALF), Target(D(120), D(1))),
    break_even=D(100),
    trail=D(8),
)


@pytest.mark.parametrize(("price", "fraction", "done"), [(110, "0.5", 1), (115, "0.75", 2), (130, "1", 3)])
def test_the_targets_that_a_price_has_passed_are_sold_together(price: int, fraction: str, done: int) -> None:
    due = PLAN.due(D(price))
    assert due is not None
    assert (due.fraction, due.targets_done) == (D(fraction), done)


@pytest.mark.parametrize(("price", "due"), [(90, True), (89, True), (91, False), (109, False)])
def test_at_the_stop_everything_is_sold_and_between_stop_and_target_nothing(price: int, due: bool) -> None:
    found = PLAN.due(D(price))
    assert (found is not None) == due
    assert found is None or (found.fraction, found.targets_done) == (D(1), 0)


def test_the_first_target_moves_the_stop_to_the_entry_and_later_highs_raise_it() -> None:
    after = PLAN.after_exit(DueExit(HALF, 1, ""), D(106))
    assert after.stop == 100
    assert after.targets == PLAN.targets[1:]
    assert after.after_price(D(112)).stop == 104
    assert after.after_price(D(112)).after_price(D(105)).stop == 104  # it never falls


def test_no_high_raises_the_stop_before_the_first_target() -> None:
    assert PLAN.after_price(D(109)) == PLAN


def test_a_stop_leaves_the_plan_as_it_is_for_what_did_not_fill() -> None:
    assert PLAN.after_exit(DueExit(D(1), 0, ""), D(80)) == PLAN


def test_the_rest_of_a_target_that_filled_in_part_is_due_again_and_only_then_is_it_done() -> None:
    due = PLAN.due(D(115))
    assert due is not None
    part = PLAN.after_part(due, D("0.25"))  # 0.75 was due: of the 0.75 that is left, two thirds are still to be sold
    assert part == replace(PLAN, targets=(Target(D(110), D("0.5") / D("0.75")), PLAN.targets[2]))
    rest = part.due(D(112))
    assert rest is not None
    assert part.after_exit(rest, D(112)).stop == 104
    stop = PLAN.due(D(80))
    assert stop is not None
    assert PLAN.after_part(stop, HALF) == PLAN


def test_a_far_trail_leaves_the_stop_at_the_entry() -> None:
    far = ExitPlan(stop=D(90), targets=(Target(D(110), HALF),), break_even=D(100), trail=D(30))
    assert far.after_exit(DueExit(HALF, 1, ""), D(110)).stop == 100
