"""The API through an outage of Redis, and at a start that cannot succeed. Real processes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.runtime.http_server import bind
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

PATIENCE = 20.0


async def status_of(client: aiohttp.ClientSession, path: str) -> int:
    async with client.get(path) as answer:
        await answer.read()
        return answer.status


async def until(client: aiohttp.ClientSession, path: str, wanted: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await status_of(client, path) != wanted:  # noqa: ASYNC110  # another process's state: asking is the only way
            await asyncio.sleep(0.05)


@asynccontextmanager
async def api_process(redis: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.api",
        env={
            "PATH": os.environ["PATH"],
            "REDIS_URL": redis,
            "API_PORT": str(port),
            "API_SIGN_IN": "off",
            "LOG_FORMAT": "json",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def started(process: asyncio.subprocess.Process) -> None:
    """Wait until the log says that it serves."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while b"API started" not in (line := await process.stdout.readline()):
            assert line, "it has ended"


async def test_it_answers_503_while_redis_is_gone_and_resumes_by_itself(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        port = free_port()
        async with api_process(redis.url, port) as process, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            await started(process)
            assert await status_of(client, "/signals") == 200
            redis.kill()
            for path in ("/signals", "/signals/1-1"):
                assert await status_of(client, path) == 503
            for path in ("/status", "/readyz", "/metrics", "/"):
                await until(client, path, 503)
            assert await status_of(client, "/healthz") == 200
            redis.start()
            for path in ("/signals", "/status", "/metrics", "/"):
                await until(client, path, 200)
            process.terminate()
            assert await process.wait() == 0
    finally:
        redis.stop()


async def test_its_heartbeat_is_seen(bus: Bus, redis_server: RedisServer) -> None:
    async with api_process(redis_server.url, free_port()) as process:
        await started(process)
        assert len(await bus.scan("shoal:heartbeat:api:*")) == 1


async def test_a_port_in_use_is_one_line_that_names_api_port(redis_server: RedisServer) -> None:
    taken = bind("127.0.0.1", 0, setting="API")
    try:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="API_PORT"):
            bind("127.0.0.1", port, setting="API")
        async with api_process(redis_server.url, port) as process:
            _, err = await process.communicate()
            assert process.returncode == 2
    finally:
        taken.close()
    assert err.decode() == f"api: API_PORT: {port} on 127.0.0.1 is in use by another program; choose another port\n"


async def test_a_redis_that_is_down_at_the_start_is_one_line_and_exit_code_2() -> None:
    async with api_process("redis://127.0.0.1:1/0", free_port()) as process:
        _, err = await process.communicate()
    assert process.returncode == 2
    assert len(err.decode().splitlines()) == 1
    assert b"REDIS_URL" in err
