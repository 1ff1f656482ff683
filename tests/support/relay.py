"""Relays between a client and a server of this machine, each in a thread of its own: what decrypts TLS, and an HTTP proxy.

Both choose from which address of this machine they connect to the server: 127.0.0.2 and the like count as other addresses there.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import Self


class Relay:
    """Accepts connections at `host`, and does with each what `_connect` says."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.port = 0
        self._host = host
        self._tls = tls
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

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise NotImplementedError

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
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            there, back = await self._connect(reader, writer)
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


class TlsFront(Relay):
    """Speaks TLS to clients, and plainly to the server at `target`, which sees each client's own address if `sees_clients`."""

    def __init__(
        self, target: int, tls: ssl.SSLContext, *, host: str = "127.0.0.1", sees_clients: bool = False
    ) -> None:
        super().__init__(tls, host)
        self._target = target
        self._sees_clients = sees_clients

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        del reader
        own = (writer.get_extra_info("peername")[0], 0) if self._sees_clients else None
        return await asyncio.open_connection("127.0.0.1", self._target, local_addr=own)


class ConnectProxy(Relay):
    """An HTTP proxy (CONNECT) that connects to this machine's ports from `address`; keeps the heads of all requests."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self.heads: list[str] = []

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        self.heads.append(head)
        verb, target, _ = head.split(" ", 2)
        assert verb == "CONNECT"
        port = int(target.rpartition(":")[2])
        both = await asyncio.open_connection("127.0.0.1", port, local_addr=(self._address, 0))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return both
