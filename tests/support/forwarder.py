"""A TCP forwarder in a thread of its own: the name or proxy in front of a server, or the network on the way to it.

A fail-over turns it to another server; a partition lets nothing through either way, and says so to neither end.
"""

from __future__ import annotations

import asyncio

from tests.support.relay import Relay


class Forwarder(Relay):
    """Passes bytes on to `target` (a port of this machine). Whoever is connected stays where they are when it changes."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        """`host`: the address on which it listens."""
        super().__init__(host=host)
        self.target = target
        self._passes = asyncio.Event()
        self._passes.set()

    def part(self) -> None:
        """Let nothing through from now on; both ends wait for the other."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def heal(self) -> None:
        """Let everything through again, what has waited first."""
        self._loop.call_soon_threadsafe(self._passes.set)

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        del reader, writer
        await self._passes.wait()
        return await asyncio.open_connection("127.0.0.1", self.target)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                await self._passes.wait()
                writer.write(piece)
                await writer.drain()
            await self._passes.wait()  # the end of a connection is not heard either
        finally:
            writer.close()
