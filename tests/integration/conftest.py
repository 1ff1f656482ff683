"""Every command of these tests is looked at: would it run in a Redis Cluster?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.slot_check import SlotCheck


@pytest.fixture(autouse=True)
def _commands_fit_a_cluster() -> Iterator[None]:
    check = SlotCheck()
    check.begin()
    try:
        yield
    finally:
        check.end()
    assert not check.found, f"would not run in a Redis Cluster: {sorted(set(check.found))}"
