"""Every command of these tests is looked at: would it run in a Redis Cluster?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.slot_check import SlotCheck


@pytest.fixture
def one_server_only() -> None:
    """Allow a test commands of its own that only one server runs."""


@pytest.fixture(autouse=True)
def _commands_fit_a_cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    check = SlotCheck()
    check.begin()
    try:
        yield
    finally:
        check.end()
    if "one_server_only" not in request.fixturenames:
        assert not check.found, f"would not run in a Redis Cluster: {sorted(set(check.found))}"
