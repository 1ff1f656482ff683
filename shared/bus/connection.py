"""The single point of control for connections to Redis. Every option that matters is set here, on purpose.

redis-py retries commands by default. A retried XADD is a second order, so neither client retries anything; the loops above
them begin again from what Redis holds, and scripts make repeating harmless. A blocking read must not end by the socket's
time-out before its BLOCK does, and must hold up nobody's commands, hence two clients: readers have a connection each while they
wait, everything else shares one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError as RedisConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
    TryAgainError,
)

from shared.bus.errors import BusRefused, BusUnavailable
from shared.bus.scripts import Script
from shared.bus.wire import Command, Wire
from shared.config.errors import ConfigurationError

BLOCK_MS: Final = 2_000
"""How long a read waits for entries. Short enough that a stop or a changed set of users is seen soon; 0.5 wake-ups a second."""
_READ_TIMEOUT: Final = BLOCK_MS / 1000 + 3.0
"""Socket time-out of the reader: above BLOCK, or every quiet read would look like a dead server."""
_WRITE_TIMEOUT: Final = 3.0
"""Socket time-out of the writer: an AOF rewrite on a slow disk takes hundreds of milliseconds, not seconds."""
_CONNECT_TIMEOUT: Final = 3.0
_KEEPALIVE_CHECK: Final = 15
"""Seconds of silence after which a reader is pinged before use: a firewall may have dropped it. The other client is never silent
for long: heartbeats and leases go through it."""
_OLDEST: Final = (7, 0)
_READER_CONNECTIONS: Final = 256
"""The most that wait for entries at once."""
_LOADING_PATIENCE: Final = 60.0
"""Seconds to wait at the start for a Redis that is replaying its log."""

_LOST: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
    OutOfMemoryError,
    OSError,
    asyncio.TimeoutError,
)
_STATES: Final = ("MISCONF", "UNBLOCKED", "NOREPLICAS")
"""How replies without a class of their own in redis-py begin that say the same: the server cannot take the command now."""


class Bus:
    """The two clients of one process, and the rule for what their failures mean."""

    def __init__(self, reader: redis.Redis, writer: Wire) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, *command: str | int | bytes) -> Any:
        """Run one blocking read. Raises BusUnavailable."""
        return await self._guarded(self._reader.execute_command(*command))  # type: ignore[no-untyped-call]  # redis-py

    async def do(self, *command: str | bytes | float) -> Any:
        """Run one command once. Raises BusUnavailable; it may have run all the same."""
        (answer,) = await self._asked([command])
        if isinstance(answer, Exception):
            raise _meant(answer)
        return answer

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one round trip, each on its own: a refused one stands in the answers as its ResponseError.

        Raises BusUnavailable if the server refuses any because of its own state; the others may have run.
        """
        if not commands:
            return []
        answers = await self._asked(commands)
        for answer in answers:
            if isinstance(answer, Exception) and _is_outage(answer):
                raise _meant(answer)
        return answers

    async def run(self, script: Script, keys: list[str], args: list[str | int]) -> Any:
        """Run a Lua script: by its hash, or by its text where the server does not know it (after a restart or a flush)."""
        (answer,) = await self._asked([("EVALSHA", script.sha, len(keys), *keys, *args)])
        if isinstance(answer, NoScriptError):
            return await self.do("EVAL", script.text, len(keys), *keys, *args)
        if isinstance(answer, Exception):
            raise _meant(answer)
        return answer

    async def scan(self, pattern: str) -> list[str]:
        """Find keys by pattern, page by page; never blocks the server. A key may be listed twice."""
        found: list[str] = []
        cursor = "0"
        while True:
            cursor, page = await self.do("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
            found.extend(page)
            if str(cursor) == "0":
                return found

    async def close(self) -> None:
        """Close both clients."""
        await self._reader.aclose()
        await self._writer.close()

    async def _asked(self, commands: Sequence[Command]) -> list[Any]:
        try:
            return await self._writer.ask(commands)
        except _LOST as error:
            raise _meant(error) from None

    @staticmethod
    async def _guarded(work: Awaitable[Any]) -> Any:
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task else 0
        try:
            return await work
        except (*_LOST, ResponseError) as error:
            raise _meant(error) from None
        finally:
            # redis-py writes inside asyncio.wait_for, which before Python 3.12 swallows a cancellation that arrives just as the
            # write is done: a loop told to stop would run on. What was asked of the task while it waited is asked again here.
            if task and task.cancelling() > cancelled_before:
                raise asyncio.CancelledError


def _meant(error: Exception) -> BusUnavailable | BusRefused:
    """Give what a failure means to whoever asked."""
    return BusUnavailable(f"Redis: {error}") if _is_outage(error) else BusRefused(str(error))


def _is_outage(error: Exception) -> bool:
    """Say whether an error speaks of the server's state rather than of the command."""
    return isinstance(error, _LOST) or str(error).startswith(_STATES)


@asynccontextmanager
async def open_bus(url: str, name: str) -> AsyncIterator[Bus]:
    """Connect as `name` (shown by CLIENT LIST) and check that the server is fit.

    Raises ConfigurationError in one line if nothing answers at `url`, it refuses us, or it is older than 7.0.
    """
    reader = redis.Redis.from_pool(_pool(url, f"{name}:read", _READ_TIMEOUT))
    # Replies stay as the protocol gives them: one shape for every command, and no parsing twice.
    reader.response_callbacks.clear()
    writer = Wire(_pool(url, f"{name}:write", None), _WRITE_TIMEOUT)
    bus = Bus(reader, writer)
    try:
        await _check_server(writer, url)
        yield bus
    finally:
        await bus.close()


def _pool(url: str, name: str, timeout: float | None) -> redis.BlockingConnectionPool:
    try:
        return redis.BlockingConnectionPool.from_url(
            url,
            client_name=name,
            decode_responses=True,
            socket_timeout=timeout,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_keepalive=True,
            health_check_interval=_KEEPALIVE_CHECK,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=2,
            max_connections=_READER_CONNECTIONS,
        )
    except (ValueError, RedisError) as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from None


async def _check_server(wire: Wire, url: str) -> None:
    where = _without_password(url)
    deadline = asyncio.get_running_loop().time() + _LOADING_PATIENCE
    while True:
        try:
            (info,) = await wire.ask([("INFO", "server")])
            if not isinstance(info, Exception):
                break
            if not isinstance(info, BusyLoadingError):
                raise info
        except (*_LOST, RedisError) as error:
            raise ConfigurationError(f"REDIS_URL: no usable Redis at {where}: {error}") from None
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigurationError(f"REDIS_URL: {where} is still loading its data; try again later")
        await asyncio.sleep(0.2)
    version = next((line[14:] for line in str(info).splitlines() if line.startswith("redis_version:")), "0.0")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise ConfigurationError(f"REDIS_URL: {where} is Redis {version}; Shoal needs Redis 7.0 or Valkey 8 or newer")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url.split("?", maxsplit=1)[0]
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://***@{host}{port}{parts.path}"
