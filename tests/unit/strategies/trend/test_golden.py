"""The decisions on seeded markets are those that were committed; a change of the rules shows as a difference of the file."""

from __future__ import annotations

import pytest

from tests.unit.strategies.trend.golden import FILE, RUNS, SEED_RUNS, SEEDS_FILE, Run, decisions, seeds_text, text


def test_the_decisions_are_those_of_the_golden_file() -> None:
    assert text() == FILE.read_text("utf-8"), "python -m tests.unit.strategies.trend.golden writes the file again"


def test_in_every_regime_the_decisions_of_each_seed_are_the_pinned_ones() -> None:
    assert seeds_text() == SEEDS_FILE.read_text("utf-8")


@pytest.mark.parametrize("run", SEED_RUNS[::5], ids=lambda run: f"{run.regime} {run.seed}")
def test_a_strategy_that_has_seen_nothing_before_decides_the_same(run: Run) -> None:
    assert list(decisions(run, forgets=True)) == list(decisions(run))


def test_the_pinned_seeds_trade_in_every_regime_and_none_as_another_one() -> None:
    lines = SEEDS_FILE.read_text("utf-8").splitlines()
    trading = [line for line in lines if ": 0 entries" not in line]  # a calm market may have no trend
    assert {line.partition(" ")[0] for line in trading} == {"calm", "trend", "crash", "gap"}
    assert len({line.rpartition(", ")[2] for line in trading}) == len(trading) >= 14


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"seed {run.seed}")
def test_a_run_decides_the_same_a_second_time(run: Run) -> None:
    assert list(decisions(run)) == list(decisions(run))


def test_the_golden_file_has_every_kind_of_decision() -> None:
    known = FILE.read_text("utf-8")
    kinds = ("buys 2 %", "buys 3 %", "buys 4 %", "plan sells 50 %", "plan sells 100 %", "opposite: ", "crossed below")
    assert [kind for kind in kinds if kind not in known] == []
