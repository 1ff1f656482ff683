"""One WebSocket connection to a venue: JSON objects out, JSON objects in, and one kind of failure for every way in which it ends.

It is dialled like the requests of `shared/venues/http`: the same TLS context (authorities and names are checked), the same proxy,
no redirects, nothing from the environment. The `websockets` library frames the messages; its logger is off, because it prints
them, and the first message of a private stream carries a token.

It must never put a token or any other content of a message into an exception or a log line, and never wait for ever: a connection
on which nothing comes is dead, since venues send heartbeats.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.uri import WebSocketURI, parse_uri

from shared.venues.answers import read_object
from shared.venues.errors import Unavailable, VenueError, presentable
from shared.venues.http.proxy import ProxyFailed
from shared.venues.http.session import HttpSession

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for TCP, TLS and the opening handshake together."""
SILENCE: Final = 8.0
"""Seconds without any message after which a connection is dead: both venues send a heartbeat a second
(kraken_ws: docs.kraken.com `websocket-v2/heartbeat`; docs.cdp.coinbase.com, heartbeats channel)."""
LONGEST_MESSAGE: Final = 16_000_000
"""Bytes; the longest known message, a snapshot of all pairs, has about one million."""
ABNORMAL: Final = 1006
"""The close code of a connection that ended without one (RFC 6455, 7.1.5)."""
POLICY: Final = 1008
"""The close code of a client that is unwelcome until a person has looked at it."""
_CLOSE_TIMEOUT: Final = 1.0
"""Seconds; nothing depends on the venue's answer to our farewell."""
_QUEUE: Final = 1_024
"""Messages that wait for their reader before the connection stops reading."""
_AGENT: Final = "shoal"
_LONGEST_WAIT: Final = 600.0
"""Seconds; a longer wait that the venue asks for is not believed."""
_TOO_MANY: Final = 429

_silent = logging.getLogger("shoal.venues.streaming.unused")
_silent.disabled = True


class StreamEnded(Unavailable):
    """The connection has ended, or could not be opened. `code` is the close code; None if there was no connection yet."""

    def __init__(self, words: str, code: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(words, retry_after)
        self.code = code


class UnreadableMessage(VenueError):  # noqa: N818  # named like the other errors of the port
    """A message is not a JSON object. The connection goes on; what the message said is unknown."""


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where to connect, and how patiently. Times in seconds."""

    http: HttpSession
    url: str
    """A ws:// or wss:// URL."""
    connect_timeout: float = CONNECT_TIMEOUT
    silence: float = SILENCE

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[StreamConnection]:
        """Open a connection for a block, which is the only one to use it. Raises StreamEnded, ValueError for another URL."""
        socket = await self._open()
        try:
            yield StreamConnection(socket, self.silence)
        finally:
            await _close(socket)

    async def _open(self) -> ClientConnection:
        dialer, target = self.http.stream_dialer(self.url), parse_uri(self.url)
        failed, wait = "", 0.0
        try:
            async with asyncio.timeout(self.connect_timeout):
                return await _greeted(await dialer.dial(lambda: _socket(target)))
        except ProxyFailed as error:
            failed = str(error)
        except InvalidStatus as error:
            failed = f"HTTP {error.response.status_code}"
            if error.response.status_code == _TOO_MANY:
                wait = _seconds(error.response.headers.get("Retry-After", ""))
        except (OSError, EOFError, InvalidHandshake) as error:  # TimeoutError and all TLS errors are OSErrors
            failed = type(error).__name__
        raise StreamEnded(f"could not connect to {target.host}: {failed}", retry_after=wait)


class StreamConnection:
    """An open connection. One task receives; `send` may be called from another one."""

    def __init__(self, socket: ClientConnection, silence: float) -> None:
        self._socket = socket
        self._silence = silence

    async def send(self, content: Mapping[str, object]) -> None:
        """Send an object as JSON. Raises StreamEnded."""
        text = json.dumps(content, separators=(",", ":"))
        try:
            async with asyncio.timeout(self._silence):
                await self._socket.send(text)
        except ConnectionClosed as closed:
            raise _ended(closed) from None
        except TimeoutError:
            self._abort()
            raise StreamEnded("the venue does not read", ABNORMAL) from None

    async def receive(self) -> dict[str, Any]:
        """Wait for the next message; its numbers with a point or an exponent are Decimal.

        Raises StreamEnded, also when nothing came for too long, and UnreadableMessage, after which the connection goes on.
        Messages that were not received before the end are lost: REST is compared after each connect.
        """
        try:
            async with asyncio.timeout(self._silence):
                raw = await self._socket.recv(decode=False)
        except ConnectionClosed as closed:
            raise _ended(closed) from None
        except TimeoutError:
            self._abort()
            raise StreamEnded(f"nothing came for {self._silence:g} s", ABNORMAL) from None
        message = read_object(raw if isinstance(raw, bytes) else raw.encode())
        if message is None:
            raise UnreadableMessage(f"a message of {len(raw)} bytes is not a JSON object")
        return message

    def _abort(self) -> None:
        self._socket.transport.abort()


def _socket(target: WebSocketURI) -> ClientConnection:
    return ClientConnection(
        ClientProtocol(target, max_size=LONGEST_MESSAGE, logger=_silent),
        ping_interval=None,  # silence is measured by messages, which are what matters
        close_timeout=_CLOSE_TIMEOUT,
        max_queue=_QUEUE,
    )


async def _greeted(socket: ClientConnection) -> ClientConnection:
    """Do the opening handshake; a connection without one is closed."""
    try:
        await socket.handshake(user_agent_header=_AGENT)
    except BaseException:
        await _close(socket)
        raise
    return socket


async def _close(socket: ClientConnection) -> None:
    """Close politely, but not patiently; returns when the socket is closed."""
    try:
        with suppress(TimeoutError, ConnectionClosed, OSError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await socket.close()
    finally:
        socket.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await socket.wait_closed()


def _ended(closed: ConnectionClosed) -> StreamEnded:
    frame = closed.rcvd or closed.sent
    if frame is None:
        return StreamEnded("the connection was cut", ABNORMAL)
    said = f": {presentable(frame.reason)}" if frame.reason else ""
    return StreamEnded(f"closed with {frame.code}{said}", frame.code)


def _seconds(text: str) -> float:
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
