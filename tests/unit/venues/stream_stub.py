"""A scripted WebSocket server on a real socket: each connection follows the next script, and every text that came is kept.

It checks nothing and knows no venue; the paper exchange does that in the contract suite.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from ssl import SSLContext
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

_quiet = logging.getLogger("tests.stream_stub")
_quiet.disabled = True


@dataclass
class Peer:
    """One connection, as the server sees it."""

    socket: ServerConnection
    number: int
    received: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the client connects from."""
        return str(self.socket.remote_address[0])

    async def text(self) -> Any:
        """Wait for the next text and decode it."""
        message = json.loads(await self.socket.recv())
        self.received.append(message)
        return message

    async def send(self, *messages: Any) -> None:
        """Send each as JSON, or as it is if it is a text or bytes."""
        for message in messages:
            await self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection with a close frame."""
        await self.socket.close(code, reason)

    async def cut(self) -> None:
        """End the connection without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def until_closed(self) -> None:
        """Wait until the client leaves."""
        await self.socket.wait_closed()


Script = Callable[[Peer], Awaitable[None]]


async def stay(peer: Peer) -> None:
    """Say nothing."""
    await peer.until_closed()


@dataclass
class StreamStub:
    """The server. Connection n follows script n; later ones follow the last."""

    scripts: list[Script] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and Retry-After with which the next handshakes are refused."""
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    tls: SSLContext | None = None
    _server: Server | None = None

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._admit, ping_interval=None, ssl=self.tls, logger=_quiet
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"wss://localhost:{port}" if self.tls else f"ws://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Cut every connection."""
        assert self._server is not None
        for peer in self.peers:
            peer.socket.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.refusals:
            return None
        status, wait = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(status), "")
        if wait:
            response.headers["Retry-After"] = wait
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        peer = Peer(socket, len(self.peers))
        self.peers.append(peer)
        script = self.scripts[min(peer.number, len(self.scripts) - 1)] if self.scripts else stay
        with suppress(ConnectionClosed, asyncio.CancelledError):
            await script(peer)
