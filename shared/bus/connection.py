"""The single point of control for commands to Redis: one server, what Sentinels name, or a cluster.

redis-py retries commands by default. A retried XADD is a second order, so nothing here retries anything; the callers' loops start
again from what Redis holds, and scripts make repeating harmless. A blocking read must not time out before its BLOCK ends, and
must not delay other commands: so each blocking read has its own connection, and everything else shares one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.exceptions import ResponseError

from shared.bus.client.refusals import FAILURES, is_outage, meaning
from shared.bus.client.server_check import check_servers
from shared.bus.client.shared_reads import SharedReads
from shared.bus.client.wire import Command, Wire
from shared.bus.errors import BusUnavailable
from shared.bus.scripts import Script
from shared.bus.topology.opening import Reader, Timeouts, Writer, open_connections
from shared.config.errors import ConfigurationError
from shared.config.redis_url import RedisUrl, RedisUrlError, read_redis_url
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
_NO_SCRIPT: Final = "NOSCRIPT"


class Bus:
    """The connections of one process; their failures are raised as the errors of `shared/bus/errors.py`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._shared = SharedReads(self.do_all)
        self.cautions: tuple[str, ...] = ()
        """What was found at the start that is allowed and should be changed."""

    @property
    def clustered(self) -> bool:
        """Whether keys of different users may be at different servers: then no script can use both."""
        return self._writer.clustered

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

    async def hget_shared(self, *questions: tuple[str, str]) -> list[Any]:
        """Run HGET of each key and field, once for all who ask in this turn of the event loop; a refusal is its ResponseError.

        Each is sent on its own: a server that is away fails this call, but no caller who asks elsewhere. Raises BusUnavailable.
        """
        return await self._shared.hget(questions)

    async def run(self, script: Script, keys: list[str], args: list[str | int]) -> Any:
        """Run a Lua script by its hash, or by its text if the server does not know it (after a restart or a flush)."""
        try:
            (answer,) = await self._writer.ask([("EVALSHA", script.sha, len(keys), *keys, *args)])
            if isinstance(answer, ResponseError) and str(answer).startswith(_NO_SCRIPT):
                (answer,) = await self._writer.ask([("EVAL", script.text, len(keys), *keys, *args)])
            return _answer(answer)
        except FAILURES as error:
            raise meaning(error) from None

    def node_of(self, key: str) -> str:
        """Return the name of the server that holds a key now; an empty one if one server holds all. Raises BusUnavailable."""
        try:
            return self._writer.node_of(key)
        except FAILURES as error:
            raise meaning(error) from None

    async def until_lost(self, node: str = "") -> None:
        """Wait until the connection for commands to a server is lost, by default that to any; then raise BusUnavailable.

        The next connection may reach another server, or the same one with less data: after a fail-over the last writes are
        missing. So the caller must not rely on state in memory, but start again from what Redis holds.
        """
        await self._writer.until_lost(node)
        raise BusUnavailable("Redis: the connection was lost, so the last writes are uncertain")

    async def replicate(self) -> None:
        """Wait, for a moment, until a replica of each server has what was written here; does nothing where one server has all.

        To be called before a write to one server makes it impossible to repeat what was written to others: a server's last
        writes may be lost, and then those of the others are not. Raises BusUnavailable.
        """
        try:
            await self._writer.replicate()
        except FAILURES as error:
            raise meaning(error) from None

    async def do_everywhere(self, *command: str | bytes | float) -> dict[str, Any]:
        """Run one command without a key at every server that takes writes; return the answers by name. Raises BusUnavailable."""
        try:
            servers = await self._writer.servers()
            answers = await asyncio.gather(*(wire.ask([command]) for wire in servers.values()))
            return {name: _answer(answer) for name, (answer,) in zip(servers, answers, strict=True)}
        except FAILURES as error:
            raise meaning(error) from None

    async def scan(self, pattern: str) -> list[str]:
        """Find keys by pattern, page by page; never blocks a server. A key may be listed twice.

        In a cluster the servers are scanned once more in the opposite order, or a key whose slot is moved meanwhile, from a
        server to one that was scanned before, would be missed.
        """
        try:
            found = await self._scan(pattern)
            return found + await self._scan(pattern, backwards=True) if self._writer.clustered else found
        except FAILURES as error:
            raise meaning(error) from None

    async def _scan(self, pattern: str, *, backwards: bool = False) -> list[str]:
        wires = list((await self._writer.servers()).values())
        return [key for wire in (reversed(wires) if backwards else wires) for key in await _scan(wire, pattern)]

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.close()
        await self._writer.close()


def _answer(answer: Any) -> Any:
    """Return an answer. Raises it if it is an error reply."""
    if isinstance(answer, ResponseError):
        raise answer
    return answer


async def _scan(wire: Wire, pattern: str) -> list[str]:
    found: list[str] = []
    cursor = "0"
    while True:
        (answer,) = await wire.ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)])
        cursor, page = _answer(answer)
        found.extend(page)
        if str(cursor) == "0":
            return found


@asynccontextmanager
async def open_bus(url: str, name: str, durability: Durability = Durability.UNCHECKED) -> AsyncIterator[Bus]:
    """Connect as `name` (shown by CLIENT LIST) and check that the servers are suitable; `durability` sets how strictly.

    Raises ConfigurationError in one line if no server answers at `url`, or if one refuses us, is older than 7.0, is not what the
    URL says, or might lose data.
    """
    address = _address(url)
    async with open_connections(url, address, name, Timeouts(_WRITE_TIMEOUT, _READ_TIMEOUT)) as (reader, writer):
        bus = Bus(reader, writer)
        bus.cautions = await check_servers(writer.servers, address, durability)
        yield bus


def _address(url: str) -> RedisUrl:
    """Parse the URL; its passwords are registered with the log filter."""
    try:
        address = read_redis_url(url)
    except RedisUrlError as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from None
    hide(*address.secrets)
    return address
