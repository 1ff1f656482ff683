"""One connection that everybody in a process writes through: what is asked in the same turn of the event loop leaves together.

A command on its own costs a round trip, a wake-up and, with `appendfsync always`, a wait for the disk; a thousand accounts that
settle at once would pay each a thousand times. Here they pay once per turn, and whoever asks need not know.

It must never send a command twice: when the connection is lost, whatever was under way fails, although it may have run, and the
next command connects anew.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError as RedisConnectionError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

Command = tuple[str | bytes | float, ...]


@dataclass(slots=True)
class _Asked:
    count: int
    at: float
    done: asyncio.Future[list[Any]]
    answers: list[Any] = field(default_factory=list)


class Wire:
    """Sends commands in the order in which they were asked and gives each asker its answers; a refusal stands in its place."""

    def __init__(self, pool: ConnectionPool, timeout: float) -> None:
        """`pool` only says how to connect. `timeout` in seconds from asking to the last answer; it ends the connection."""
        self._pool = pool
        self._timeout = timeout
        self._link: _Link | None = None
        self._lives: set[asyncio.Task[None]] = set()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands and give their answers, in order. Raises what redis-py raises for a lost or silent server.

        Whoever stops waiting does not take back what was asked.
        """
        if self._link is None or self._link.ended:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
            self._link = _Link(connection, self._timeout)
            self._lives.add(self._link.working)
            self._link.working.add_done_callback(self._lives.discard)
        return await self._link.ask(commands)

    async def close(self) -> None:
        """End the connection; what is still open fails."""
        if self._link is not None and not self._link.ended:
            self._link.working.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)


class _Link:
    """The life of one connection, from its making to its loss."""

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._packed: list[bytes] = []
        self._open: deque[_Asked] = deque()
        self._wanted = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.working = asyncio.create_task(self._work())
        self.ended = False

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Queue commands; they leave in the next turn of the loop."""
        loop = asyncio.get_running_loop()
        self._packed += self._connection.pack_commands(commands)
        asked = _Asked(len(commands), loop.time(), loop.create_future())
        self._open.append(asked)
        self._wanted.set()
        if self._timer is None:
            self._timer = loop.call_at(asked.at + self._timeout, self._watch)
        return asked.done

    async def _work(self) -> None:
        listening: asyncio.Task[None] | None = None
        reason: Exception = RedisConnectionError("the connection was closed")
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]  # redis-py
            listening = asyncio.create_task(self._listen())
            listening.add_done_callback(lambda _: self._wanted.set())
            while not listening.done():
                self._wanted.clear()
                packed, self._packed = self._packed, []
                if packed:
                    await self._connection.send_packed_command(packed, check_health=False)
                await self._wanted.wait()
            listening.result()
        except Exception as error:  # noqa: BLE001  # whatever ends a connection ends what was asked of it
            reason = error
        finally:
            self._end(reason)
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            with suppress(Exception):
                await self._connection.disconnect()

    async def _listen(self) -> None:
        while True:
            try:
                # The time-out is watched from outside, once for all.
                answer = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except (ResponseError, BusyLoadingError) as refused:
                answer = refused
            if not self._open:
                raise RedisConnectionError("the server spoke without being asked")
            asked = self._open[0]
            asked.answers.append(answer)
            if len(asked.answers) == asked.count:
                self._open.popleft()
                if not asked.done.done():
                    asked.done.set_result(asked.answers)

    def _watch(self) -> None:
        """Look at the oldest of what is open, and come back when it would be too late for it."""
        self._timer = None
        if not self._open:
            return
        loop = asyncio.get_running_loop()
        late_at = self._open[0].at + self._timeout
        if loop.time() < late_at:
            self._timer = loop.call_at(late_at, self._watch)
        else:
            self._end(RedisTimeoutError(f"no answer within {self._timeout:g} s"))
            self.working.cancel()

    def _end(self, reason: Exception) -> None:
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        while self._open:
            asked = self._open.popleft()
            if not asked.done.done():
                asked.done.set_exception(reason)
