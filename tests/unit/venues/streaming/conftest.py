"""A scripted WebSocket server on both event loops: asyncio's, as the other tests use, and uvloop, as the services do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.unit.venues.stream_stub import StreamStub


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[StreamStub]:
    stub = StreamStub()
    await stub.start()
    yield stub
    await stub.stop()
