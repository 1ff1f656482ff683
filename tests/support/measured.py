"""A pytest plugin that measures coverage in every process of a test run: `-p tests.support.measured` (see `make coverage`).

Services that tests start are not measured: what the code can do is shown by the tests that call it.
"""

from __future__ import annotations

import coverage
import pytest

_measuring: list[coverage.Coverage] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Begin before anything of Shoal is imported."""
    _measuring.append(coverage.Coverage(data_suffix=True))
    _measuring[-1].start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Write this process's part; `coverage combine` puts the parts together."""
    while _measuring:
        measured = _measuring.pop()
        measured.stop()
        measured.save()
