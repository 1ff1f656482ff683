"""Who is answered, and for how long they may take (case S13)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from services.api.app import build
from services.api.server import build_server
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.runtime import slow_clients
from shared.runtime.http_server import bind, serve

_PATHS = ["/", "/status", "/signals", "/readyz", "/healthz", "/metrics", "/openapi.json", "/nothing"]


@asynccontextmanager
async def api_at(bus: Bus, **more: object) -> AsyncIterator[int]:
    """Run an API with these settings; gives its port on 127.0.0.1."""
    settings = Settings(shoal_config=Path("config"), api_sign_in="off", **more)  # type: ignore[arg-type]
    app, _ = build(bus, settings)
    listener = bind("127.0.0.1", 0, setting="API")
    task = asyncio.create_task(serve(build_server(app, settings), listener))
    try:
        yield listener.getsockname()[1]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        listener.close()


async def answer(port: int, head: bytes) -> bytes:
    """Send a request as these bytes and give the whole answer."""
    models, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    async with asyncio.timeout(20):
        found = await models.read()
    writer.close()
    return found


def asking(host: bytes, path: bytes = b"/status") -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"evil.example:8000",
        b"127.0.0.1.evil.example",
        b"localhost.evil.example",
        b"127.0.0.1@evil.example",
        b"evil.example@127.0.0.1",
        b"10.0.0.1",
        b"[::2]",
        b"0.0.0.0",
        b"",
        b"local host",
        b"localhost:x",
        b"\xff",
        b"localhost\r\nHost: evil.example",
    ],
)
async def test_any_host_is_not_answered(bus: Bus, host: bytes) -> None:
    async with api_at(bus, api_host="0.0.0.0") as port:
        for path in _PATHS:
            found = await answer(port, asking(host, path.encode()))
            assert found.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 ")), (host, path, found)
            assert b"equity" not in found
            assert b"shoal" not in found.lower()


async def test_a_request_without_a_host_is_not_answered(bus: Bus) -> None:
    async with api_at(bus) as port:
        assert (await answer(port, b"GET /status HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1",
        b"127.0.0.1:8000",
        b"localhost:8000",
        b"LOCALHOST.",
        b"[::1]:8000",
        b"127.8.8.8",
        b"api",
        b"Shoal.Example:443",
    ],
)
async def test_its_own_names_are_answered(bus: Bus, host: bytes) -> None:
    async with api_at(bus, api_host="0.0.0.0", api_hosts=("api", "shoal.example")) as port:
        assert (await answer(port, asking(host))).startswith(b"HTTP/1.1 200 ")


async def test_it_answers_to_where_it_was_told_to_listen(bus: Bus) -> None:
    async with api_at(bus, api_host="192.0.2.7") as port:
        assert (await answer(port, asking(b"192.0.2.7:8000"))).startswith(b"HTTP/1.1 200 ")
        assert (await answer(port, asking(b"192.0.2.8:8000"))).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("path", _PATHS)
async def test_every_answer_says_what_browsers_may_do_with_it(api: aiohttp.ClientSession, path: str) -> None:
    async with api.get(path) as found:
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["X-Frame-Options"] == "DENY"
        assert found.headers["Cache-Control"] == "no-store"
        policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert policy.partition("script-src ")[2].partition(";")[0] in {"", "'self'"}


async def test_slow_connections_block_nobody_and_are_closed(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred who never end their first request."""
    monkeypatch.setattr(slow_clients, "REQUEST_WITHIN", 2.0)
    async with api_at(bus) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
        for _, writer in slow[::2]:
            writer.write(b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert (await answer(port, asking(b"localhost"))).startswith(b"HTTP/1.1 200 ")
        assert len(slow_clients.GuardedConnection.waiting) <= slow_clients.MOST_WAITING
        for models, writer in slow:
            async with asyncio.timeout(30):
                with suppress(ConnectionError):
                    assert await models.read() == b""
            writer.close()
        assert (await answer(port, asking(b"localhost"))).startswith(b"HTTP/1.1 200 ")
        assert slow_clients.GuardedConnection.waiting == {}


async def test_whoever_asks_now_and_then_over_one_connection_is_kept(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "REQUEST_WITHIN", 0.5)
    async with api_at(bus) as port:
        models, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await models.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await models.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            await asyncio.sleep(1)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")  # a later request that does not end
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await models.read() == b""
        writer.close()
