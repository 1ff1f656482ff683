"""Makes the connections of one process, by the kind of REDIS_URL: to one server, to what Sentinels name, or to a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.bus.client.push_wire import Pushed, PushWire
from shared.bus.client.server import Connector, Server
from shared.bus.client.wire import Command, Wire, Wires
from shared.bus.topology.cluster import ClusterWire
from shared.bus.topology.cluster_reads import ClusterReads
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.many_streams import ManyStreams
from shared.bus.topology.sentinel import SentinelPrimary
from shared.bus.topology.slot_map import Address
from shared.bus.topology.stream_changes import StreamChanges
from shared.config.redis_url import RedisKind, RedisUrl

_ASK_TIMEOUT: Final = 1.0
"""Seconds for a question to a Sentinel, or for the map of a cluster: there are others to ask."""


class Writer(Protocol):
    """Where commands go: `Wire`, or `ClusterWire`."""

    clustered: bool
    """Whether keys of different slots may be at different servers."""

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands and return their answers, in sequence. Raises what redis-py raises for a lost or silent server."""

    def node_of(self, key: str) -> str:
        """Return the name of the server that holds a key now; an empty one if there is only one."""

    async def until_lost(self, node: str = "") -> None:
        """Wait until the connection to a server is lost, by default that to any."""

    async def servers(self) -> Mapping[str, Wire]:
        """Return the connections to all servers that take writes, by name."""

    async def replicate(self) -> None:
        """Wait, for a moment, until replicas have what was written."""

    async def close(self) -> None:
        """End all connections."""


class Reader(Protocol):
    """Where blocking reads go: `Wires`, or `ClusterReads`."""

    async def ask(self, command: Command) -> Any:
        """Run one command on its own connection and return its answer; an error reply is an answer."""

    async def close(self) -> None:
        """End all connections."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds from a command, or a blocking read, to its answer."""

    command: float
    read: float


@asynccontextmanager
async def open_connections(
    url: str, address: RedisUrl, name: str, timeouts: Timeouts
) -> AsyncIterator[tuple[Reader, Writer]]:
    """Make what connects on its first use; `name` is shown by CLIENT LIST. Raises ConfigurationError for a bad option."""
    if address.kind is RedisKind.CLUSTER:
        reader, writer = _of_cluster(address, name, timeouts)
        try:
            yield reader, writer
        finally:
            await reader.close()
            await writer.close()
        return
    if address.kind is RedisKind.SINGLE:
        async with _of_one(Server(url, f"{name}:read"), Server(url, f"{name}:write"), timeouts) as (wires, wire):
            yield wires, wire
        return
    primary = _primary(address, name)
    async with _of_one(primary.used_for("read"), primary.used_for("write"), timeouts) as (wires, wire):

        def leave() -> None:
            wires.drop()
            wire.drop()

        watching = asyncio.create_task(primary.watch(leave))
        try:
            yield wires, wire
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await primary.close()


@asynccontextmanager
async def _of_one(reading: Connector, writing: Connector, timeouts: Timeouts) -> AsyncIterator[tuple[Wires, Wire]]:
    wires, wire = Wires(reading, timeouts.read), Wire(writing, timeouts.command)
    try:
        yield wires, wire
    finally:
        await wires.close()
        await wire.close()


def _primary(address: RedisUrl, name: str) -> SentinelPrimary:
    def server(at: Address, use: str) -> Server:
        return Server(address.of_server(at.host, at.port), f"{name}:{use}")

    sentinels = [
        Wire(Server(address.of_sentinel(host, port), f"{name}:sentinel", _ASK_TIMEOUT), _ASK_TIMEOUT)
        for host, port in address.servers
    ]
    return SentinelPrimary(address.name, sentinels, server)


def _of_cluster(address: RedisUrl, name: str, timeouts: Timeouts) -> tuple[ClusterReads, ClusterWire]:
    def server(node: Address, suffix: str) -> Server:
        return Server(address.of_server(node.host, node.port), f"{name}:{suffix}")

    def for_map(node: Address) -> Wire:
        return Wire(Server(address.of_server(node.host, node.port), f"{name}:map", _ASK_TIMEOUT), _ASK_TIMEOUT)

    def for_commands(node: Address, lost: Callable[[], None]) -> Wire:
        return Wire(server(node, "write"), timeouts.command, lost)

    def for_changes(node: Address, lost: Callable[[], None], pushed: Pushed) -> Wire:
        return PushWire(server(node, "changes"), timeouts.command, lost, pushed)

    view = ClusterView([Address(*each) for each in address.servers], for_map)
    writer = ClusterWire(view, for_commands, timeouts.command)
    many = ManyStreams(view, writer, StreamChanges(view, for_changes))
    return ClusterReads(view, lambda node: Wires(server(node, "read"), timeouts.read), many), writer
