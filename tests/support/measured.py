"""A pytest plugin that measures coverage in every process of a test run: `-p tests.support.measured` (see `make coverage`).

Services that tests start are not measured, nor are the suites that work through them, nor the tests of what stands above or
beside the measured packages: what the code can do is shown by the tests that call it. Tracing doubles the time of everything that
runs, so it is off there, and while the tests are collected.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from importlib import import_module
from pathlib import Path
from typing import Final

import coverage
import pytest

_SUITES: Final = ("tests/unit/", "tests/contract/venues/", "tests/integration/")
_ABOUT_OTHERS: Final = (
    *(f"tests/unit/{folder}/" for folder in ("backtest", "helm", "ledger", "paper_exchange", "strategies", "support")),
    "tests/unit/test_",
    *(f"tests/integration/{folder}/" for folder in ("api", "books", "notifier", "ops", "what_if")),
)
_ROOT: Final = Path(__file__).resolve().parents[2]

_measuring: list[coverage.Coverage] = []
_traced: list[coverage.Coverage] = []
"""What `_measuring` holds, while it traces."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Begin before anything of Shoal is imported, and import all that is measured: a module runs once."""
    measured = coverage.Coverage(data_suffix=True)
    _measuring.append(measured)
    _trace(wanted=True)
    for name in _modules(measured.config.source or []):
        import_module(name)
    _trace(wanted=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace the tests of the suites that count; most of a process's tests have the same answer as the one before."""
    _trace(wanted=item.nodeid.startswith(_SUITES) and not item.nodeid.startswith(_ABOUT_OTHERS))
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Write this process's part; `coverage combine` puts the parts together."""
    while _measuring:
        _trace(wanted=False)
        _measuring.pop().save()


def _trace(*, wanted: bool) -> None:
    if wanted and not _traced:
        _traced.extend(_measuring)
        for measured in _traced:
            measured.start()
    elif not wanted:
        while _traced:
            _traced.pop().stop()


def _modules(folders: Iterable[str]) -> list[str]:
    """Return the names of all modules below folders of the checkout, in order."""
    paths = sorted(path.relative_to(_ROOT) for folder in folders for path in (_ROOT / folder).rglob("*.py"))
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
