"""Fixtures that every suite may use."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer

import services  # noqa: F401  # first: structlog then finds no rich, whose tracebacks take seconds on a busy machine
from shared.bus.connection import Bus, open_bus
from tests.support.property_examples import describe, load_profile
from tests.support.python_module import FORKED_STARTS
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer
from tests.support.rewriting import rewrite_once
from tests.support.schedule import Schedule, sort_longest_first

load_profile()
os.environ.setdefault(FORKED_STARTS, "1")


def pytest_report_header() -> list[str]:
    """Describe what this run does in another way than `.ci/run` does."""
    forked = os.environ[FORKED_STARTS] == "1"
    return [describe(), f"processes: {'forks of one that has imported Shoal' if forked else 'fresh interpreters'}"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, and keep it from what was collected.

    Thirteen thousand tests are objects that stay: each full collection would look at all of them and find nothing.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first."""
    sort_longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[object]) -> None:
    """Prepare what all processes need before there are any."""
    if len(specs) > 1:
        rewrite_once()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Schedule | None:
    """Divide the tests among processes in pieces of Shoal's own with `--dist loadfile`."""
    return Schedule(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for all tests of a run; `bus` empties it between tests.

    With TEST_REDIS=cluster it is a cluster of three: what tests do by `bus` is the same there. (Those that need more of the
    server itself fail then.)
    """
    folder = Path(tmp_path_factory.mktemp("redis"))
    server = RedisCluster(folder) if os.environ.get("TEST_REDIS") == "cluster" else RedisServer(folder)
    server.start()
    try:
        yield server  # type: ignore[misc]  # a cluster stands for one
    finally:
        server.stop()


@pytest.fixture
async def bus(redis_server: RedisServer) -> AsyncIterator[Bus]:
    """A connection to an empty server."""
    async with open_bus(redis_server.url, "test") as connected:
        await connected.do_everywhere("FLUSHALL")
        yield connected
