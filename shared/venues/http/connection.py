"""One HTTP/1.1 connection: a request goes out, its answer comes in, and only then another request goes out.

It must never match an answer to another request: whatever ends a request without its whole answer (a time-out, a cancellation,
nonsense) ends the connection, and so does unexpected data. It must never send anything twice.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools

from shared.venues.errors import OutcomeUnknown

LONGEST_ANSWER: Final = 16_000_000
"""Bytes, the head included; the longest answer of a venue is a list of pairs of about one million."""
LONGEST_HEAD: Final = 65_536
"""Bytes; checked after each piece of data, so that a head in one piece may be a little longer."""
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class HttpAnswer(NamedTuple):
    """An answer as it came. The body is not decoded in any way: requests ask for no compression."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Return the first header of this name (in lower case); an empty string if there is none."""
        for found, value in self.headers:
            if found.lower() == name:
                return value.decode("latin-1")
        return ""


class HttpConnection(asyncio.Protocol):
    """A connection, from its creation to its loss."""

    def __init__(self, host: str, on_lost: Callable[[HttpConnection], None]) -> None:
        """`host` is only for error texts. `on_lost` is called once, after the connection is lost."""
        self.ended = False
        self.idle_since = 0.0
        self.lost = asyncio.get_running_loop().create_future()
        self._host = host
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._unread: select.poll
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._begin_answer()
        self._received = 0

    @property
    def quiet(self) -> bool:
        """Return whether a request may be sent: the connection has not ended, and no unexpected data has come.

        The socket is polled as well, since the loop may not have read its data yet. That could be a repeated answer or the end of
        the connection; in both cases no request may follow.
        """
        if not self.ended and self._unread.poll(0):
            self.end("unexpected data")
        return not self.ended

    async def exchange(self, request: bytes, *, until: float, timeout: float) -> HttpAnswer:
        """Send a request and return its answer; the connection may serve another request unless it has `ended` then.

        `until` in the loop's time; `timeout`, in seconds, is only for error texts. Raises OutcomeUnknown without a whole answer:
        the bytes have left, and their effect is unknown.
        """
        loop = asyncio.get_running_loop()
        self._received = 0
        self._begin_answer()
        answer: asyncio.Future[HttpAnswer] = loop.create_future()
        self._answer = answer
        timer = loop.call_at(until, self._late, timeout)
        self._transport.write(request)
        try:
            return await answer
        except asyncio.CancelledError:
            self._abort()
            raise
        finally:
            timer.cancel()

    def end(self, why: str) -> None:
        """Close at once; a request in flight fails."""
        self._fail(f"connection to {self._host} failed: {why}")

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._unread = select.poll()
        if (link := transport.get_extra_info("socket")) is not None:
            self._unread.register(link.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Parse incoming data."""
        if self._answer is None or self._answer.done():
            self._abort()  # no request is in flight
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end("the data is not HTTP")  # no effect on an answer that was complete before it
        if self._received > LONGEST_ANSWER or (not self._head_complete and self._received > LONGEST_HEAD):
            self.end("the answer is too long")

    def eof_received(self) -> None:
        """End an answer that has no length of its own; any other answer fails."""
        if self._head_complete and not any(name.lower() in _FRAMING for name, _ in self._headers):
            self.on_message_complete()
        self.end("closed by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request in flight."""
        self.end("closed" if exc is None else type(exc).__name__)
        self._on_lost(self)
        if not self.lost.done():
            self.lost.set_result(None)

    # Called by the parser

    def on_message_begin(self) -> None:
        """Start a new answer."""
        if self._answer is None or self._answer.done():
            self._abort()  # a second answer to one request
        self._begin_answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if not self._head_complete:  # trailers of a chunked body are ignored
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head."""
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Complete the request, unless this is an interim answer (1xx)."""
        status = self._parser.get_status_code()
        if status < 200 or self._answer is None or self._answer.done():
            return
        if not self._parser.should_keep_alive():
            self._abort()
        self._answer.set_result(HttpAnswer(status, self._headers, b"".join(self._body)))

    def _begin_answer(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_complete = False

    def _late(self, timeout: float) -> None:
        self._fail(f"no answer from {self._host} within {timeout:g} s")

    def _fail(self, words: str) -> None:
        self._abort()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(OutcomeUnknown(words))

    def _abort(self) -> None:
        if not self.ended:
            self.ended = True
            self._transport.abort()
