"""In which order, and in what pieces, several processes run the tests: whoever gets a long piece last is waited for by all.

A file is one piece, since its tests share what is costly to make. Not so the suites whose tests have each their own system, or at
least their own records, and mostly wait (for the end of a lease, for an outage that must last, for an answer that does not come).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.python_module import ROOT

LONGEST_FIRST: Final = ("chaos", "scenarios", "e2e", "drills", "bench", "web", "contract", "integration")
"""Suites by the length of their tests; what is not named comes last."""
_APART: Final = ("chaos", "scenarios", "e2e", "drills", "bench", "web", "contract", "integration")


class Schedule(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Files as a whole, long tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the piece that a test belongs to."""
        return piece_of(nodeid)


def piece_of(nodeid: str) -> str:
    """Return the test itself if it may run apart from the others of its file, else the file."""
    file = nodeid.split("::", 1)[0]
    return nodeid if suite_of(file) in _APART and not _shares(ROOT / file) else file


def sort_longest_first(items: list[pytest.Item]) -> None:
    """Sort the suites by length; within a suite nothing is moved."""
    items.sort(key=lambda item: rank(item.nodeid))


def rank(nodeid: str) -> int:
    """Return a suite's place in the order."""
    suite = suite_of(nodeid)
    return LONGEST_FIRST.index(suite) if suite in LONGEST_FIRST else len(LONGEST_FIRST)


def suite_of(nodeid: str) -> str:
    """Return the folder below `tests/` that a test is in."""
    parts: Sequence[str] = nodeid.split("/")
    return parts[1] if len(parts) > 2 else ""


@cache
def _shares(file: Path) -> bool:
    """Return whether tests of a file share a fixture: one of its own or of its folders, but for the run's."""
    folders = [folder for folder in file.parents if folder.is_relative_to(ROOT / "tests") and folder != ROOT / "tests"]
    return any(_has_wide_fixture(each) for each in (file, *(folder / "conftest.py" for folder in folders)))


@cache
def _has_wide_fixture(file: Path) -> bool:
    return file.exists() and any(scope in file.read_text() for scope in ('scope="module"', 'scope="session"'))
