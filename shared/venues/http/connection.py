"""One HTTP/1.1 connection: a request goes out, its answer comes in, and only then another request goes out.

It must never give one request's answer to another: whatever ends a request without its whole answer (a time-out, a cancellation,
nonsense) ends the connection, and so does a byte that nobody asked for. It must never send anything twice.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools

from shared.venues.errors import OutcomeUnknown

LONGEST_ANSWER: Final = (
    16_000_000  # bytes, head and all; the longest that a venue sends is a list of pairs of about one million
)
LONGEST_HEAD: Final = (
    65_536  # bytes; looked at whenever something came, so that a head in one piece may be a little longer
)
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class HttpAnswer(NamedTuple):
    """An answer as it came. The body is not decoded in any way: nothing but plain bytes is asked for."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Return the first header of this name (in small letters); empty if there is none."""
        for found, value in self.headers:
            if found.lower() == name:
                return value.decode("latin-1")
        return ""


class HttpConnection(asyncio.Protocol):
    """A connection, from its making to its loss."""

    def __init__(self, host: str, on_lost: Callable[[HttpConnection], None]) -> None:
        """`host` is for words only. `on_lost` is called once, when nothing can be done with it any more."""
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
        """Return whether a request may be sent: it has not ended, and nothing has come that nobody asked for.

        What has come is looked for at the socket as well, for the loop may not have read it yet. It could be an answer that was
        repeated, or the end of the connection; neither may be met by a request.
        """
        if not self.ended and self._unread.poll(0):
            self.end("more came than was asked for")
        return not self.ended

    async def exchange(self, request: bytes, *, until: float, timeout: float) -> HttpAnswer:
        """Send a request and give its answer; the connection may serve another request unless it has `ended` then.

        `until` in the loop's time; `timeout`, in seconds, is for words only. Raises OutcomeUnknown for whatever is no whole
        answer: the bytes have left, so that it cannot be told what became of them.
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
        """Close at once; a request that is under way fails."""
        self._fail(f"connection to {self._host} failed: {why}")

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._unread = select.poll()
        if (link := transport.get_extra_info("socket")) is not None:
            self._unread.register(link.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._answer is None or self._answer.done():
            self._abort()  # nobody asked for it
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end("what came is no HTTP")  # of no consequence for an answer that was complete before it
        if self._received > LONGEST_ANSWER or (not self._head_complete and self._received > LONGEST_HEAD):
            self.end("the answer is too long")

    def eof_received(self) -> None:
        """Take the end of the stream for the end of an answer that names no other; else for a failure."""
        if self._head_complete and not any(name.lower() in _FRAMING for name, _ in self._headers):
            self.on_message_complete()
        self.end("closed by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self.end("closed" if exc is None else type(exc).__name__)
        self._on_lost(self)
        if not self.lost.done():
            self.lost.set_result(None)

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin an answer."""
        if self._answer is None or self._answer.done():
            self._abort()  # a second answer to one request
        self._begin_answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if not self._head_complete:  # what follows a chunked body is of no interest
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head."""
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Return the answer, unless it is one of those that come before the answer (1xx)."""
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
