"""A server that a test may kill, and leases to act under."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.ownership.lease import Lease, acquire
from tests.support.redis_server import RedisServer


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own: it may be killed, flushed and turned into a replica."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
async def own_bus(own_server: RedisServer) -> AsyncIterator[Bus]:
    """A connection to that server."""
    async with open_bus(own_server.url, "test") as connected:
        yield connected


@pytest.fixture
async def lease(bus: Bus) -> Lease:
    """Alice's lease, held by the process `first`."""
    taken = await acquire(bus, "alice", "first")
    assert taken is not None
    return taken
