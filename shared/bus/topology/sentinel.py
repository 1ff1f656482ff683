"""The primary that Redis Sentinels name: found again for every connection, and watched while one is used.

All Sentinels are asked, and the latest configuration epoch is believed: one that is cut off keeps naming the former primary. A
server is used only if it says itself that it is a primary, so that nothing is written to a replica or read from one.

A primary that is replaced usually ends its connections. One that is cut off from the Sentinels, but not from this process, does
not: so they are asked every second, and all connections end as soon as they name another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError, ResponseError

from shared.bus.client.refusals import LOST
from shared.bus.client.server import Server, hang_up
from shared.bus.client.wire import Wire
from shared.bus.topology.slot_map import Address

_EVERY: Final = 1.0
"""Seconds between two questions: a fail-over itself takes several."""
_EPOCH: Final = "config-epoch"
_PRIMARY: Final = "master"

log = structlog.get_logger()


class _Reading(NamedTuple):
    """What one Sentinel says; of several the greatest is believed."""

    epoch: int
    number: int
    primary: Address


class SentinelPrimary:
    """The primary with one name, for all connections of a process."""

    def __init__(self, name: str, sentinels: Sequence[Wire], server_at: Callable[[Address, str], Server]) -> None:
        """`sentinels` are connections with a short time-out; `server_at` makes a server that holds data, for one use."""
        self._name = name
        self._sentinels = list(sentinels)
        self._server_at = server_at
        self._current: Address | None = None
        """The primary that was last connected to."""
        self._switched: Callable[[], None] = _do_nothing

    def used_for(self, use: str) -> PrimaryFor:
        """Return what makes connections for one use, as `Server` does."""
        return PrimaryFor(self, use)

    async def connect(self, use: str) -> AbstractConnection:
        """Return a connection to the primary. Raises RedisConnectionError if there is none, and what redis-py raises."""
        address = await self.find()
        connection = await self._server_at(address, use).connect()
        try:
            await self._require_primary(connection, address)
        except BaseException:
            await hang_up(connection)
            raise
        self._note(address)  # other connections may still be to the former one
        self._current = address
        return connection

    async def find(self) -> Address:
        """Ask the Sentinels for the primary. Raises RedisConnectionError if none of them names one."""
        answers = await asyncio.gather(*map(self._ask, self._sentinels, range(len(self._sentinels))))
        found = [each for each in answers if isinstance(each, _Reading)]
        if not found:
            reasons = "; ".join(str(each) for each in dict.fromkeys(answers))
            raise RedisConnectionError(f"no Sentinel names the primary {self._name}: {reasons}")
        return max(found).primary

    async def watch(self, switched: Callable[[], None]) -> None:
        """Call `switched` whenever the Sentinels name another primary than the one that is connected; runs until cancelled."""
        self._switched = switched
        while True:
            await asyncio.sleep(_EVERY)
            # Without a Sentinel nothing is known; the primary in use says itself when it is none any more.
            with suppress(RedisConnectionError):
                self._note(await self.find())

    def _note(self, named: Address) -> None:
        """End all connections if another primary is named than the one that they are to."""
        if self._current is not None and named != self._current:
            log.warning("the Sentinels name another primary", former=str(self._current), now=str(named))
            self._current = None
            self._switched()

    async def close(self) -> None:
        """End the connections to the Sentinels."""
        await asyncio.gather(*(each.close() for each in self._sentinels))

    async def _ask(self, sentinel: Wire, number: int) -> _Reading | str:
        """Return what a Sentinel says, or why it says nothing."""
        try:
            # During a fail-over only the first answer names the new primary already.
            address, state = await sentinel.ask(
                [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name), ("SENTINEL", "MASTER", self._name)]
            )
        except (*LOST, RedisError) as error:
            return str(error)
        if not address or isinstance(address, ResponseError):
            return str(address or f"it watches no primary of that name ({self._name})")
        return _Reading(_epoch(state), -number, Address(str(address[0]), int(address[1])))

    async def _require_primary(self, connection: AbstractConnection, address: Address) -> None:
        """Raise RedisConnectionError unless the server says that it is a primary."""
        await connection.send_command("INFO", "replication")
        try:
            text = await connection.read_response(disable_decoding=True)
        except ResponseError as refused:
            if str(refused).startswith("NOPERM"):  # a replica refuses writes by itself
                return
            raise
        if f"role:{_PRIMARY}" not in bytes(text).decode(errors="replace").split():
            raise RedisConnectionError(
                f"{address} is named as the primary {self._name}, and is a replica (still, or again)"
            )


class PrimaryFor:
    """The primary for one use, which CLIENT LIST shows."""

    def __init__(self, primary: SentinelPrimary, use: str) -> None:
        self._primary = primary
        self._use = use

    async def connect(self) -> AbstractConnection:
        """Return a connection to the primary that is named now. Raises RedisConnectionError, and what redis-py raises."""
        return await self._primary.connect(self._use)


def _do_nothing() -> None:
    """Stand for a watch that has not begun."""


def _epoch(state: Any) -> int:
    """Return the configuration epoch in the answer to SENTINEL MASTER; 0 if it has none."""
    if isinstance(state, ResponseError) or not state:
        return 0
    words = iter(state)
    return int(dict(zip(words, words, strict=False)).get(_EPOCH, 0))
