"""The single point of control for connections to Redis. Every option that matters is set here, on purpose.

redis-py retries commands by default. A retried XADD is a second order, so nothing here retries anything; the callers' loops start
again from what Redis holds, and scripts make repeating harmless. A blocking read must not time out before its BLOCK ends, and
must not delay other commands: so each blocking read has its own connection, and everything else shares one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from shared.bus.client.refusals import FAILURES, is_outage, meaning
from shared.bus.client.server_check import check_server
from shared.bus.client.wire import Command, Wire, Wires
from shared.bus.errors import BusUnavailable
from shared.bus.scripts import Script
from shared.config.errors import ConfigurationError
from shared.config.redis_url import ADVICE, RedisUrlError, read_redis_url
from shared.domain.durability import Durability
from shared.runtime.logging import hide

BLOCK_MS: Final = 2_000
"""How long a read waits for entries. Short enough to notice a stop or a changed set of users soon; 0.5 wake-ups a second."""
_READ_TIMEOUT: Final = BLOCK_MS / 1000 + 3.0
"""Socket time-out of the reader: above BLOCK, or every quiet read would look like a dead server."""
_SCANNED: Final = 2_000
"""Keys that one step of a scan looks at: less than a millisecond of the server's time."""
_WRITE_TIMEOUT: Final = 3.0
"""Socket time-out of the writer: an AOF rewrite on a slow disk takes hundreds of milliseconds, not seconds."""
_CONNECT_TIMEOUT: Final = 3.0
_NO_SCRIPT: Final = "NOSCRIPT"


class Bus:
    """The connections of one process; their failures are raised as the errors of `shared/bus/errors.py`."""

    def __init__(self, reader: Wires, writer: Wire) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, *command: str | int | bytes) -> Any:
        """Run one blocking read. Raises BusUnavailable."""
        try:
            return _answer(await self._reader.ask(command))
        except FAILURES as error:
            raise meaning(error) from None

    async def do(self, *command: str | bytes | float) -> Any:
        """Run one command once. Raises BusUnavailable, after which it may still have run."""
        try:
            (answer,) = await self._writer.ask([command])
            return _answer(answer)
        except FAILURES as error:
            raise meaning(error) from None

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one round trip, each on its own: the answer to a refused one is its ResponseError.

        Raises BusUnavailable if the server refuses any because of its own state; the others may have run.
        """
        if not commands:
            return []
        try:
            answers = await self._writer.ask(commands)
        except FAILURES as error:
            raise meaning(error) from None
        for answer in answers:
            if isinstance(answer, ResponseError) and is_outage(answer):
                raise meaning(answer)
        return answers

    async def run(self, script: Script, keys: list[str], args: list[str | int]) -> Any:
        """Run a Lua script by its hash, or by its text if the server does not know it (after a restart or a flush)."""
        try:
            (answer,) = await self._writer.ask([("EVALSHA", script.sha, len(keys), *keys, *args)])
            if isinstance(answer, ResponseError) and str(answer).startswith(_NO_SCRIPT):
                (answer,) = await self._writer.ask([("EVAL", script.text, len(keys), *keys, *args)])
            return _answer(answer)
        except FAILURES as error:
            raise meaning(error) from None

    async def until_lost(self) -> None:
        """Wait until the connection for commands is lost, then raise BusUnavailable.

        The next connection may reach another server, or the same one with less data: after a fail-over the last writes are
        missing. So the caller must not rely on state in memory, but start again from what Redis holds.
        """
        await self._writer.until_lost()
        raise BusUnavailable("Redis: the connection was lost, so the last writes are uncertain")

    async def scan(self, pattern: str) -> list[str]:
        """Find keys by pattern, page by page; never blocks the server. A key may be listed twice."""
        found: list[str] = []
        cursor = "0"
        while True:
            cursor, page = await self.do("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
            found.extend(page)
            if str(cursor) == "0":
                return found

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.close()
        await self._writer.close()


def _answer(answer: Any) -> Any:
    """Return an answer. Raises it if it is an error reply."""
    if isinstance(answer, ResponseError):
        raise answer
    return answer


@asynccontextmanager
async def open_bus(url: str, name: str, durability: Durability = Durability.UNCHECKED) -> AsyncIterator[Bus]:
    """Connect as `name` (shown by CLIENT LIST) and check that the server is suitable; `durability` sets how strictly.

    Raises ConfigurationError in one line if no server answers at `url`, or if it refuses us, is older than 7.0, is not a single
    primary, or might lose data.
    """
    where = _address(url)
    writer = Wire(_pool(url, f"{name}:write"), _WRITE_TIMEOUT)
    bus = Bus(Wires(_pool(url, f"{name}:read"), _READ_TIMEOUT), writer)
    try:
        await check_server(writer, where, durability)
        yield bus
    finally:
        await bus.close()


def _address(url: str) -> str:
    """Return the URL in the form that may be shown; its password is registered with the log filter."""
    try:
        address = read_redis_url(url)
    except RedisUrlError as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from None
    hide(*address.secrets)
    return address.shown


def _pool(url: str, name: str) -> ConnectionPool:
    """Return the options for connecting; the bytes after that are sent by `wire.py`, not by redis-py."""
    try:
        return ConnectionPool.from_url(
            url,
            client_name=name,
            driver_info=None,  # saves two commands per connection, which an ACL may forbid and Redis 7.0 does not know
            socket_timeout=_CONNECT_TIMEOUT,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=2,
        )
    except (ValueError, RedisError):  # its words may repeat a part of the URL
        raise ConfigurationError(f"REDIS_URL: it cannot be read; {ADVICE}") from None
