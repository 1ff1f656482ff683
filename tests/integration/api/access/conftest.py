"""A site that asks for sign-in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus.connection import Bus
from tests.support.signed_in import Site, running_site


@pytest.fixture
async def site(bus: Bus) -> AsyncIterator[Site]:
    """An API over the test's Redis that asks for sign-in."""
    async with running_site(bus) as found:
        yield found
