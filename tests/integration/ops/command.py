"""Runs `python -m services.ops` as a person does, and plays the paper exchange's control plane for it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support import python_module


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object in the last line."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


async def ops(url: str, *words: str, **env: str) -> Ran:
    """Run one command against a Redis."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SHOAL_CONFIG") if name in os.environ}
    environment = {**kept, "REDIS_URL": url, **env}
    ran = await asyncio.to_thread(python_module.run, "services.ops", words, environment, timeout=240)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@dataclass(slots=True)
class Exchange:
    """What a stand-in for the paper exchange's control plane answers, and what it was sent."""

    url: str = ""
    orders: list[Mapping[str, object]] = field(default_factory=list)
    requests: list[Mapping[str, object]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    refuse: str = ""


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Serve the stand-in on a port of its own."""
    state = Exchange()

    async def create(request: web.Request) -> web.Response:
        if state.refuse:
            return web.json_response({"detail": state.refuse}, status=409)
        state.accounts.append(sent := await request.json())
        return web.json_response({name: sent.get(name, f"PAPER-{name}") for name in ("api_key", "api_secret")})

    async def orders(_: web.Request) -> web.Response:
        return web.json_response(state.orders)

    async def requests(_: web.Request) -> web.Response:
        return web.json_response(state.requests)

    async def identity(_: web.Request) -> web.Response:
        return web.json_response({"exchange": "shoal-paper"})

    app = web.Application()
    app.add_routes(
        [
            web.post("/paper/accounts", create),
            web.get("/paper/orders", orders),
            web.get("/paper/requests", requests),
            web.get("/paper/identity", identity),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield state
    finally:
        await runner.cleanup()
