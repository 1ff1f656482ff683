"""A TCP forwarder in a thread of its own: the name or proxy in front of a server, or the network on the way to it.

A fail-over turns it to another server; a partition lets nothing through either way, and says so to neither end.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self


class Forwarder:
    """Passes bytes on to `target` (a port of this machine). Whoever is connected stays where they are when it changes."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        """`host`: the address on which it listens."""
        self.target = target
        self._host = host
        self.port = 0
        self._passes: asyncio.Event
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

    def part(self) -> None:
        """Let nothing through from now on; both ends wait for the other."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def heal(self) -> None:
        """Let everything through again, what has waited first."""
        self._loop.call_soon_threadsafe(self._passes.set)

    async def _run(self) -> None:
        self._loop, self._stop, self._passes = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._passes.set()
        server = await asyncio.start_server(self._met, self._host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await self._passes.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer))
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                await self._passes.wait()
                writer.write(piece)
                await writer.drain()
            await self._passes.wait()  # the end of a connection is not heard either
        finally:
            writer.close()
