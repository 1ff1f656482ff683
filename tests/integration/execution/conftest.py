"""Each test runs once per caller of the core that sends and resolves orders."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from tests.integration.execution.caller import Caller
from tests.integration.execution.callers import CALLERS


@pytest.fixture(params=sorted(CALLERS))
async def caller(request: pytest.FixtureRequest, bus: Bus) -> Caller:
    started = CALLERS[request.param](bus)
    await started.start()
    return started
