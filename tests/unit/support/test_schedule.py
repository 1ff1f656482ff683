"""Pieces must keep together what shares a fixture, and the longest must come first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.python_module import ROOT
from tests.support.schedule import LONGEST_FIRST, piece_of, rank


@pytest.mark.parametrize(
    ("nodeid", "piece"),
    [
        ("tests/unit/domain/test_money.py::test_a[x/y::z]", "tests/unit/domain/test_money.py"),
        ("tests/scenarios/test_clocks.py::test_a[x/y::z]", "tests/scenarios/test_clocks.py::test_a[x/y::z]"),
        ("tests/e2e/test_newcomer.py::test_a", "tests/e2e/test_newcomer.py"),  # all of its tests look at one demo
        ("tests/contract/venues/test_stops.py::test_a", "tests/contract/venues/test_stops.py::test_a"),
        (  # the folder's tests share the packages of others
            "tests/contract/paper_exchange/test_clients_of_others.py::test_a",
            "tests/contract/paper_exchange/test_clients_of_others.py",
        ),
    ],
)
def test_a_long_test_is_a_piece_unless_it_shares_a_fixture(nodeid: str, piece: str) -> None:
    assert piece_of(nodeid) == piece


def test_suites_are_run_by_length_and_what_is_new_comes_last() -> None:
    names = ["tests/unit/a/test_a.py::a", "tests/test_b.py::b", "tests/e2e/test_c.py::c", "tests/chaos/test_d.py::d"]
    assert [name[-1] for name in sorted(names, key=rank)] == ["d", "c", "a", "b"]


def test_every_suite_in_the_order_exists() -> None:
    assert all((ROOT / "tests" / suite).is_dir() for suite in LONGEST_FIRST)


def test_nothing_shares_a_fixture_in_a_way_that_is_not_seen() -> None:
    """A fixture that lives longer than a test stands in the test's own file or in its folders, or is the run's."""
    wide = re.compile(r'scope=(?!"module"|"session"|"function")')
    files = [*Path(ROOT / "tests").rglob("*.py")]
    assert [file for file in files if file != Path(__file__) and wide.search(file.read_text())] == []
