"""A follower sees one account: through every page, part and event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest
from fastapi import FastAPI, Request
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from services.api.access.identity import Identity, Role
from services.api.problems import add_error_handlers
from services.api.read_models import ReadModels
from services.api.server import build_server
from services.api.web.build import add_web
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk
from shared.runtime.http_server import bind, serve
from tests.integration.api.web.conftest import PAGES
from tests.support.copies import Copies, now_ms
from tests.support.shipped_config import all_at_kraken

ALICE = Identity("alice", Role.FOLLOWER, "alice")


@asynccontextmanager
async def pages_for(bus: Bus, who: Identity) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the pages alone, without the middleware that would refuse a follower before any route: the second wall."""
    with TemporaryDirectory() as folder:
        config = all_at_kraken(Path(folder))
        app = FastAPI()
        add_error_handlers(app)
        models = ReadModels(bus, config)
        add_web(app, bus, models, config, ActionDesk(Ground(bus, config, models.policies, now_ms)))

        @app.middleware("http")
        async def identify(request: Request, call_next: RequestResponseEndpoint) -> Response:
            request.state.identity = who
            return await call_next(request)

        listener = bind("127.0.0.1", 0, setting="API")
        server = build_server(app, Settings(shoal_config=config))
        task = asyncio.create_task(serve(server, listener))
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
                yield client
        finally:
            server.should_exit = server.force_exit = True
            await task


@pytest.mark.parametrize(
    "path",
    [
        *(path for path in PAGES if path not in {"/", "/users/alice"}),
        "/users/bob",
        "/users/bob/events",
        "/users/bob/equity",
        "/users/bob/what-if",
        "/tape/events",
        "/tape/1-1",
        "/price/BTC/USD/series?venue=kraken&user=bob",
        "/price/BTC/USD/events?venue=kraken&user=bob",
        "/users/bob/confirm/pause",
        "/users/alice/confirm/halt",
        "/users/alice/settings",
        "/confirm/pause",
    ],
)
async def test_every_other_page_refuses(bus: Bus, copies: Copies, path: str) -> None:
    async with pages_for(bus, ALICE) as client, client.get(path) as answer:
        assert answer.status == 403
        assert "bob" not in await answer.text()


async def test_the_own_account_names_nobody_else(bus: Bus, copies: Copies) -> None:
    told = await copies.settled(["alice", "bob"], count=3)
    async with pages_for(bus, ALICE) as client:
        async with client.get("/users/alice") as answer:
            text = await answer.text()
            assert answer.status == 200
        async with client.get("/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/users/alice")
    assert text.count('<tbody id="order-') == len(told)
    for name in ("bob", "carol", "/tape", "/operations", "/status"):
        assert name not in text
