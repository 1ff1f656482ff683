"""Every test of the HTTP client runs on both event loops: asyncio's, as the other tests do, and uvloop, as the services do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import pytest
import uvloop

from tests.unit.venues.http.peer import Script, Server


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


class Serve(Protocol):
    async def __call__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> Server: ...


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers that follow a script; they are stopped after the test."""
    servers: list[Server] = []

    async def start(script: Script, *, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(script, tls)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
