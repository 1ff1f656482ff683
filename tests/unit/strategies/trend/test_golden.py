"""The decisions on seeded markets are those that were committed; a change of the rules shows as a difference of the file."""

from __future__ import annotations

import pytest

from tests.unit.strategies.trend.golden import FILE, RUNS, Run, decisions, text


def test_the_decisions_are_those_of_the_golden_file() -> None:
    assert text() == FILE.read_text("utf-8"), "python -m tests.unit.strategies.trend.golden writes the file again"


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"seed {run.seed}")
def test_a_run_decides_the_same_a_second_time(run: Run) -> None:
    assert list(decisions(run)) == list(decisions(run))


def test_the_golden_file_has_every_kind_of_decision() -> None:
    known = FILE.read_text("utf-8")
    kinds = ("buys 2 %", "buys 3 %", "buys 4 %", "plan sells 50 %", "plan sells 100 %", "opposite: ", "crossed below")
    assert [kind for kind in kinds if kind not in known] == []
