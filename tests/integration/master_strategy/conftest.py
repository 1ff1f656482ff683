"""A rig per test, at each venue: with nonces, and without them but with replays."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from shared.domain.values.venue import VENUES
from tests.integration.master_strategy.rig import Rig


@pytest.fixture(params=VENUES)
def rig(bus: Bus, request: pytest.FixtureRequest) -> Rig:
    return Rig(bus, at=request.param)
