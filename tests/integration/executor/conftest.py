"""A rig per test, and a process that serves alice."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from tests.integration.executor.rig import Owner, Rig


@pytest.fixture
def rig(bus: Bus) -> Rig:
    return Rig(bus)


@pytest.fixture
async def owner(rig: Rig) -> Owner:
    return await rig.start()
