"""Connections to Redis. All commands of one turn of the event loop, from any number of callers, are sent together.

A command on its own costs a round trip, a wake-up and, with `appendfsync always`, a wait for the disk; a thousand accounts that
settle at once would pay each a thousand times. Here they pay once per turn, without any work of the callers.

redis-py connects (addresses, TLS, passwords, names) and hiredis knows the protocol; the bytes between them pass through here.

It must never send a command twice: when the connection is lost, commands in flight fail, although they may have run, and the
next command connects again. And it must never stay with a server that is no longer the one to write to: a demoted primary keeps
its connections, while the name or proxy in front of it leads only new connections to the new one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

from shared.bus.client.redis_py import let_go, transport_of
from shared.bus.client.refusals import ends_connection
from shared.bus.client.server import Connector, hang_up

Words = tuple[str | bytes | float, ...]
Command = Words | bytes
"""The words of a command, or their bytes from `pack`."""

_NOTHING: Final = object()
_LAST_LOOK: Final = 0.05
"""Seconds that are left for an answer that has come and was not read yet, because this process was busy with other work."""


def pack(words: Words) -> bytes:
    """Return the bytes of a command; worth keeping if it is sent again and again."""
    return cast("bytes", hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub is wrong


@lru_cache(maxsize=65_536)
def hgetall(key: str) -> bytes:
    """Return the bytes of HGETALL, packed once per key: the same few of every user are read again and again."""
    return pack(("HGETALL", key))


class Wire:
    """Sends commands in sequence and returns to each caller its answers; an error reply is one of them."""

    clustered = False

    def __init__(self, server: Connector, timeout: float, lost: Callable[[], None] | None = None) -> None:
        """`timeout`: seconds from sending to the last answer, after which the connection ends. `lost` is called when one was."""
        self._server = server
        self._timeout = timeout
        self._lost = lost
        self._link: Link | None = None
        self._making: asyncio.Task[Link] | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands and return their answers, in sequence. Raises what redis-py raises for a lost or silent server.

        Cancelling the caller does not cancel the commands.
        """
        link = self._link
        if link is None or link.ended:
            link = await self._connected()
        return await link.ask(commands)

    def ask_now(self, commands: Sequence[Command]) -> Awaitable[list[Any]]:
        """Do as `ask` does, with one coroutine less where there is a connection: a cluster's commands have more above it."""
        link = self._link
        return self.ask(commands) if link is None or link.ended else link.ask(commands)

    def node_of(self, key: str) -> str:  # there is one server for all keys
        """Return an empty name: all keys are at this server."""
        return ""

    async def servers(self) -> Mapping[str, Wire]:
        """Return this connection, by its empty name: it is the only one."""
        return {"": self}

    async def replicate(self) -> None:
        """Do nothing: what is lost with this server is a last part of everything, in its order."""

    async def until_lost(self, node: str = "") -> None:
        """Wait until the present connection is lost; return at once if there is none."""
        if self._link is not None and not self._link.ended:
            await asyncio.shield(self._link.lost)

    def drop(self) -> None:
        """End the connection at once; commands in flight fail."""
        if self._link is not None:
            self._link.end(RedisConnectionError("the connection was closed"))

    async def close(self) -> None:
        """End the connection and wait until it is closed."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        self.drop()
        if self._link is not None:
            await self._link.lost

    async def _connected(self) -> Link:
        """Connect, once for all concurrent callers."""
        if self._making is None:
            self._making = asyncio.create_task(self._connect())
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    async def _connect(self) -> Link:
        connection = await self._server.connect()
        try:
            link = self._link_over(connection)
        except BaseException:
            await hang_up(connection)
            raise
        if (lost := self._lost) is not None:
            link.lost.add_done_callback(lambda _: lost())
        return link

    def _link_over(self, connection: AbstractConnection) -> Link:
        return Link(connection, self._timeout)

    def _made(self, making: asyncio.Task[Link]) -> None:
        self._making = None
        if not making.cancelled() and making.exception() is None:
            self._link = making.result()


class Wires:
    """As many connections as there are concurrent callers: for blocking reads."""

    def __init__(self, server: Connector, timeout: float) -> None:
        """See `Wire`."""
        self._server = server
        self._timeout = timeout
        self._idle: list[Wire] = []
        self._all: set[Wire] = set()

    async def ask(self, *commands: Command) -> Any:
        """Run commands on their own connection and return the last answer; an error reply is one. Raises as Wire.ask does."""
        wire = self._idle.pop() if self._idle else Wire(self._server, self._timeout)
        self._all.add(wire)
        try:
            answers = await wire.ask(commands)
        except BaseException:
            wire.drop()  # its answer may still come, and has no caller any more
            raise
        finally:
            self._idle.append(wire)
        return answers[-1]

    def drop(self) -> None:
        """End all connections at once; reads under way fail."""
        for wire in self._all:
            wire.drop()

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(wire.close() for wire in self._all))


class Link(asyncio.Protocol):
    """One connection, from its creation to its loss."""

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self._timeout = timeout
        # Invalid UTF-8 must reach the parser of the entry, which dead-letters it; an error here would fail all callers' commands.
        self._reader = hiredis.Reader(
            replyError=ResponseError, encoding="utf-8", errors="replace", notEnoughData=_NOTHING
        )
        self._packed: list[bytes] = []
        self._open: deque[_Request] = deque()
        self._sent = [0.0]
        """When the present batch leaves (loop time): one entry, shared by its requests and set again as it does."""
        self._doubted: _Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.lost = self._loop.create_future()
        self.ended = False
        self._connection = connection
        self._transport = transport_of(connection)
        if self._transport.is_closing():  # connection_lost would never be called
            raise RedisConnectionError("lost while connecting")
        self._transport.set_protocol(self)

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Queue commands; they are sent at the end of this turn of the loop."""
        if self.ended:  # it was lost after it was made
            raise RedisConnectionError("the connection was lost")
        if not self._packed:
            self._sent = [self._loop.time()]
            self._loop.call_soon(self._flush)
        self._packed += [command if isinstance(command, bytes) else pack(command) for command in commands]
        asked = _Request(len(commands), self._sent, self._loop.create_future())
        self._open.append(asked)
        if self._timer is None:
            self._timer = self._loop.call_at(self._sent[0] + self._timeout, self._watch)
        return asked.done

    def data_received(self, data: bytes) -> None:
        """Pass the answers in `data` to their callers."""
        left_by: ResponseError | None = None
        try:
            self._reader.feed(data)
            gets = self._reader.gets
            answer = gets()
            while answer is not _NOTHING:
                asked = self._open[0]
                answers, count = asked.answers, asked.count
                while answer is not _NOTHING and len(answers) < count:
                    if answer.__class__ is ResponseError and ends_connection(answer):
                        left_by = answer
                    answers.append(answer)
                    answer = gets()
                if len(answers) == count:
                    self._open.popleft()
                    if not asked.done.done():
                        asked.done.set_result(answers)
        except (hiredis.HiredisError, IndexError) as error:
            self.end(RedisConnectionError(f"the server does not speak the Redis protocol: {error!r}"))
        if left_by is not None:
            # The next command connects again: the name, or the proxy, may lead to another server by now.
            self.end(RedisConnectionError(f"the connection was left: {left_by}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the commands in flight."""
        self.end(RedisConnectionError(f"connection lost: {exc or 'closed by the server'}"))
        if not self.lost.done():
            self.lost.set_result(None)

    def _flush(self) -> None:
        packed, self._packed = self._packed, []
        self._sent[0] = self._loop.time()  # the turn of the loop in which it was asked may have been a long one
        if not self.ended:
            self._transport.write(b"".join(packed))

    def _watch(self) -> None:
        """Check the oldest command in flight, and schedule the next check for its time-out.

        Only the server's silence counts, not this process's: the first check that finds it late leaves time to read what came.
        """
        self._timer = None
        if not self._open:
            return
        oldest = self._open[0]
        late_at = oldest.sent[0] + self._timeout
        if self._loop.time() < late_at:
            self._timer = self._loop.call_at(late_at, self._watch)
        elif self._doubted is not oldest:
            self._doubted = oldest
            self._timer = self._loop.call_later(_LAST_LOOK, self._watch)
        else:
            self.end(RedisTimeoutError(f"no answer within {self._timeout:g} s"))

    def end(self, reason: Exception) -> None:
        """Fail the commands in flight and close."""
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        let_go(self._connection)
        while self._open:
            asked = self._open.popleft()
            if not asked.done.done():
                asked.done.set_exception(reason)


class _Request:
    """The commands of one caller, and their answers so far."""

    __slots__ = ("answers", "count", "done", "sent")

    def __init__(self, count: int, sent: list[float], done: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.sent = sent
        self.done = done
        self.answers: list[Any] = []
