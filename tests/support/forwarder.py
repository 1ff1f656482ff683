"""A TCP forwarder in a thread of its own: the name or proxy in front of a Redis, which a fail-over turns to another server.

With a certificate it speaks TLS to its clients, and plainly to what is behind it, which has none.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import Self


class Forwarder:
    """Passes bytes on to `target` (a port of this machine). Whoever is connected stays where they are when it changes."""

    def __init__(
        self, target: int, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", sees_clients: bool = False
    ) -> None:
        """`sees_clients`: the other side sees each client's own address (of this machine) instead of the forwarder's."""
        self.target = target
        self._tls = tls
        self._host = host
        self._sees_clients = sees_clients
        self.port = 0
        self._up = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._met, self._host, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            own = (writer.get_extra_info("peername")[0], 0) if self._sees_clients else None
            there, back = await asyncio.open_connection("127.0.0.1", self.target, local_addr=own)
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
        writer.close()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until they end."""
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
