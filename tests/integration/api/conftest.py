"""The API on a port of its own, over the test's Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from services.api.app import build
from services.api.outcome_counter import OutcomeCounter
from services.api.server import build_server
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.runtime.http_server import bind, serve
from tests.support.shipped_config import all_at_kraken


@asynccontextmanager
async def serving(bus: Bus, **more: str) -> AsyncIterator[tuple[aiohttp.ClientSession, OutcomeCounter]]:
    """Return a client of a running API with `more` settings, and the task body that feeds its counters."""
    with TemporaryDirectory() as folder:
        settings = Settings.model_validate({"shoal_config": all_at_kraken(Path(folder)), "api_sign_in": "off", **more})
        async with _serving(bus, settings) as found:
            yield found


@asynccontextmanager
async def _serving(bus: Bus, settings: Settings) -> AsyncIterator[tuple[aiohttp.ClientSession, OutcomeCounter]]:
    app, counter = build(bus, settings)
    listener = bind("127.0.0.1", 0, setting="API")
    task = asyncio.create_task(serve(build_server(app, settings), listener))
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            yield client, counter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        listener.close()


@pytest.fixture
async def api(bus: Bus) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of an API over the test's Redis."""
    async with serving(bus) as (client, _):
        yield client
