"""A rig per test."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from tests.integration.master_strategy.rig import Rig


@pytest.fixture
def rig(bus: Bus) -> Rig:
    return Rig(bus)
