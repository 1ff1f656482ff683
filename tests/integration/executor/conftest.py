"""A rig per test, and a process that serves alice."""

from __future__ import annotations

import pytest

from services.executor.orders import set_aside
from shared.bus.connection import Bus
from tests.integration.executor.renamed import World, a_world
from tests.integration.executor.rig import Owner, Rig


@pytest.fixture
def rig(bus: Bus) -> Rig:
    return Rig(bus)


@pytest.fixture
async def owner(rig: Rig) -> Owner:
    return await rig.start()


@pytest.fixture
async def world(bus: Bus) -> World:
    return await a_world(bus)


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what fails tried again almost at once."""
    monkeypatch.setattr(set_aside, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(set_aside, "LONGEST_PAUSE", 0.05)
