"""The other end of a connection, on a real socket: a test says, step by step, what it does there, however rude.

It keeps every request as the bytes that came, so that a test can count what was sent and look at each character of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Line:
    """One connection, as the server sees it."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = len(server.lines)
        self._server = server
        self._reader = reader
        self._writer = writer
        server.lines.append(self)
        self.closed = asyncio.Event()
        """The client has closed it, and the script has noticed."""

    async def request(self) -> bytes:
        """Read one request, head and body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)\r\n", head)
        whole = head + await self._reader.readexactly(int(length[1]) if length else 0)
        self._server.requests.append(whole)
        self._server.arrived.set()
        return whole

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Send pieces, each for itself."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def answer(self, *answers: bytes) -> None:
        """Read a request and answer it, for each of these."""
        for each in answers:
            await self.request()
            await self.send(each)

    async def until_closed(self) -> None:
        """Wait until the client closes."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        self.closed.set()

    def reset(self) -> None:
        """Close as a crash does, without a farewell."""
        link = self._writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Close, politely."""
        self._writer.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait until this holds; give up after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


Script = Callable[[Line], Awaitable[None]]


class Server:
    """Follows a script on every connection and closes it at the script's end."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None) -> None:
        self.requests: list[bytes] = []
        self.lines: list[Line] = []
        self.addresses: list[str] = []
        """From where each connection came."""
        self.arrived = asyncio.Event()
        self.port = 0
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}" if self._tls is None else f"https://localhost:{self.port}"

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.addresses.append(writer.get_extra_info("peername")[0])
        self._tasks.add(asyncio.create_task(self._follow(Line(self, reader, writer), writer)))

    async def _follow(self, line: Line, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError):
                await self._script(line)
        except ConnectionError:
            line.closed.set()
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


async def always_ok(line: Line) -> None:
    """Answer everything."""
    while True:
        await line.answer(OK)


def first(*scripts: Script) -> Script:
    """Follow the first script on the first connection, and so on; the last one on all that come after."""

    async def chosen(line: Line) -> None:
        await scripts[min(line.number, len(scripts) - 1)](line)

    return chosen
