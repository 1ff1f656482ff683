"""A cluster and Sentinels of real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.bus.connection import Bus, open_bus
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import SentinelSet


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """Three primaries, each with a replica."""
    found = RedisCluster(tmp_path / "cluster", replicas=1)
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
async def cluster_bus(cluster: RedisCluster) -> AsyncIterator[Bus]:
    """A connection to it."""
    async with open_bus(cluster.url, "test") as connected:
        yield connected


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSet]:
    """A primary, two replicas and three Sentinels."""
    found = SentinelSet(tmp_path / "sentinels")
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
async def sentinel_bus(sentinels: SentinelSet) -> AsyncIterator[Bus]:
    """A connection to the primary."""
    async with open_bus(sentinels.url, "test") as connected:
        yield connected
