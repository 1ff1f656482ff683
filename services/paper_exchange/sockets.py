"""WebSocket connections of either venue: texts in, texts out in order, and the ways in which a connection ends.

A venue's own protocol (`kraken/streams`, `coinbase/streams`) gets a `Socket` and knows nothing of ASGI. What it sends is queued,
so that a listener of the core never waits; a client that does not read is cut, as the venues do. Latency is here, so that no
venue's protocol needs to know of it: both directions keep their order.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from services.paper_exchange.core.latency import AT_ONCE, Latency, OneWay
from services.paper_exchange.wire import TRANSPORT, Receive, Scope, Send

LONGEST_QUEUE: Final = 10_000
"""Texts that may wait for a client; one that is further behind is cut."""


class StreamServer(Protocol):
    """One venue's streams."""

    def admit(self, socket: Socket) -> int:
        """Return the HTTP status with which the connection is refused; 0 accepts it."""
        ...

    async def serve(self, socket: Socket) -> None:
        """Serve one connection until it ends; cancelled when the client leaves."""
        ...


class Socket:
    """One accepted connection. `path`, `host` and `client` (the address) are those of its request."""

    def __init__(self, scope: Scope, latency: Latency = AT_ONCE) -> None:
        self._latency = latency
        self._there, self._back = OneWay(latency), OneWay(latency)
        headers = dict(scope["headers"])
        self.path: str = scope["path"]
        self.host: str = headers.get(b"host", b"").decode("latin-1")
        self.client: str = (scope.get("client") or ("",))[0]
        self.ended = asyncio.Event()
        self._transport = scope.get("extensions", {}).get(TRANSPORT)
        self._incoming: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[tuple[float, str | tuple[int, str]]] = asyncio.Queue()
        """With the steady instant at which each arrives."""

    def send(self, text: str) -> None:
        """Queue a text for the client. After the end of the connection it is dropped."""
        if self.ended.is_set():
            return
        if self._outgoing.qsize() >= LONGEST_QUEUE:
            self.cut()
            return
        self._outgoing.put_nowait((self._back.arrival(), text))

    async def text(self) -> str:
        """Wait for the next text of the client."""
        arrival, text = await self._incoming.get()
        await self._there.until(arrival)
        return text

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection with a close frame, after what is queued."""
        if not self.ended.is_set():
            self._outgoing.put_nowait((self._back.arrival(), (code, reason)))

    def cut(self) -> None:
        """End the connection without a word, as a broken network does."""
        if self._transport is None:
            raise ConnectionResetError("a cut connection needs the transport of server.py")
        self.ended.set()
        self._transport.abort()

    async def serve(self, receive: Receive, send: Send, streams: StreamServer) -> None:
        """Accept the connection, if the venue does, and run it to its end."""
        await receive()  # websocket.connect
        way = self._latency.one_way()
        await self._latency.wait(way)
        status = streams.admit(self)
        await self._latency.wait(way)
        if status:
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        work = [
            asyncio.create_task(self._read(receive)),
            asyncio.create_task(self._write(send)),
            asyncio.create_task(_handle(streams, self)),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.ended.set()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in done:
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                raise error

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text: Any = message.get("text")
            self._incoming.put_nowait((self._there.arrival(), text if isinstance(text, str) else ""))

    async def _write(self, send: Send) -> None:
        while True:
            arrival, item = await self._outgoing.get()
            await self._back.until(arrival)
            try:
                if isinstance(item, tuple):
                    await send({"type": "websocket.close", "code": item[0], "reason": item[1]})
                    return
                await send({"type": "websocket.send", "text": item})
            except OSError:  # the client has left; the reader ends the connection
                return


async def _handle(streams: StreamServer, socket: Socket) -> None:
    await streams.serve(socket)
    await socket.ended.wait()  # a handler that has closed waits for what is queued to leave
