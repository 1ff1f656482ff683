"""A small HTTP proxy (CONNECT) in a thread of its own, which connects to this machine's ports from an address of its choice."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.support.forwarder import Forwarder, pass_on


class ConnectProxy(Forwarder):
    """Relays bytes to whatever port of this machine it is asked for, from `address`; keeps the heads of all requests."""

    def __init__(self, address: str) -> None:
        super().__init__(0)
        self._address = address
        self.heads: list[str] = []

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            self.heads.append(head)
            verb, target, _ = head.split(" ", 2)
            assert verb == "CONNECT"
            port = int(target.rpartition(":")[2])
            there, back = await asyncio.open_connection("127.0.0.1", port, local_addr=(self._address, 0))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
        writer.close()
