"""The ASGI application, without a framework: routing and a validated model per request would cost more than the exchange itself.

`/0/...` goes to the Kraken front, `/api/...` and `/v2/...` to Coinbase's, `/paper/...` to the control plane. A WebSocket at `/v2`
is Kraken's, as there; any other one is Coinbase's, whose addresses have no path. A dropped reply is a cut connection: the
transport from `server.py` is aborted, so the client sees what it sees of a broken network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Final

from services.paper_exchange.coinbase.front import CoinbaseFront
from services.paper_exchange.coinbase.gate import Request as CoinbaseRequest
from services.paper_exchange.core.latency import AT_ONCE, Latency
from services.paper_exchange.core.market.clock import Clock
from services.paper_exchange.kraken.front import KrakenFront, Request as KrakenRequest
from services.paper_exchange.sockets import Socket, StreamServer
from services.paper_exchange.wire import TRANSPORT, Receive, Reply, Scope, Send

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY: Final = 1_000_000


class ClientDisconnected(Exception):  # noqa: N818  # an event, not a mistake
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that is processed after a delay (seconds)."""

    seconds: float
    resume: Callable[[], Reply]


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue: the paths that are its own, its front, its clock."""

    prefixes: tuple[str, ...]
    ask: Callable[[Scope, bytes], Reply | Waiting]
    now: Callable[[], float]

    def date(self) -> tuple[bytes, bytes]:
        """Return the `Date` header."""
        return b"date", formatdate(self.now(), usegmt=True).encode()


class Application:
    """The whole application."""

    def __init__(
        self,
        kraken: KrakenFront,
        coinbase: CoinbaseFront,
        control: Asgi,
        clock: Clock,
        *,
        kraken_streams: StreamServer | None = None,
        coinbase_streams: StreamServer | None = None,
        latency: Latency = AT_ONCE,
    ) -> None:
        """`clock` is the clock of deadlines; the `Date` header of every answer is from it, as at the venue.

        `latency` is that of the venues' requests and streams; the control plane has none.
        """
        self._latency = latency
        self._streams = {"kraken": kraken_streams, "coinbase": coinbase_streams}
        self._kraken = kraken
        self._coinbase = coinbase
        self._control = control
        self._venues = (
            Venue(("/0/",), self._ask_kraken, clock.now),
            Venue(("/api/", "/v2/"), self._ask_coinbase, coinbase.venue.now),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        venue = self._venue_of(scope)
        if venue is not None:
            await self._answer_for(venue, scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/paper"):
            await self._control(scope, receive, send)
        elif scope["type"] == "http":
            await _send(Reply(b'{"detail":"not found"}', 404), send)
        elif scope["type"] == "websocket" and (streams := self._streams_of(scope)) is not None:
            await Socket(scope, self._latency).serve(receive, send, streams)
        else:
            raise NotImplementedError(f"{scope['type']} connections are not served")

    def _venue_of(self, scope: Scope) -> Venue | None:
        if scope["type"] == "http":
            for venue in self._venues:
                if scope["path"].startswith(venue.prefixes):
                    return venue
        return None

    def _streams_of(self, scope: Scope) -> StreamServer | None:
        return self._streams["kraken" if scope["path"].rstrip("/") == "/v2" else "coinbase"]

    async def _answer_for(self, venue: Venue, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
        except ClientDisconnected:
            return
        if len(body) > LARGEST_BODY:
            await _send(Reply(status=413), send, venue.date())
            return
        try:
            reply = await self._answer(venue, scope, body, receive)
        except asyncio.CancelledError:  # the server ends: waiting clients see a cut connection
            reply = Reply(dropped=True)
        if reply.dropped or reply.hangs:
            await _cut(scope, receive)
        else:
            await _send(reply, send, venue.date())

    async def _answer(self, venue: Venue, scope: Scope, body: bytes, receive: Receive) -> Reply:
        way = self._latency.one_way()
        await self._latency.wait(way)  # whatever the client does now: what it has sent arrives
        reply = venue.ask(scope, body)
        if not isinstance(reply, Reply):
            await asyncio.sleep(reply.seconds)
            reply = reply.resume()
        if reply.delay:
            await _wait(reply.delay, receive)
        await self._latency.wait(way)
        return reply

    def _ask_kraken(self, scope: Scope, body: bytes) -> Reply | Waiting:
        kraken = self._kraken
        reply = kraken.answer(_kraken_request(scope, body))
        return reply if isinstance(reply, Reply) else Waiting(reply.seconds, partial(kraken.resume, reply))

    def _ask_coinbase(self, scope: Scope, body: bytes) -> Reply | Waiting:
        coinbase = self._coinbase
        reply = coinbase.answer(_coinbase_request(scope, body))
        return reply if isinstance(reply, Reply) else Waiting(reply.seconds, partial(coinbase.resume, reply))


def _coinbase_request(scope: Scope, body: bytes) -> CoinbaseRequest:
    headers = dict(scope["headers"])
    return CoinbaseRequest(
        scope["method"],
        scope["path"],
        scope["query_string"],
        headers.get(b"authorization", b"").decode("latin-1"),
        body,
        headers.get(b"host", b"").decode("latin-1"),
        (scope.get("client") or ("",))[0],
        (scope.get("raw_path") or b"").decode("latin-1"),
    )


def _kraken_request(scope: Scope, body: bytes) -> KrakenRequest:
    api_key, signature, content_type = "", b"", b""
    for name, value in scope["headers"]:
        if name == b"api-key":
            api_key = value.decode("latin-1")[:128]
        elif name == b"api-sign":
            signature = value
        elif name == b"content-type":
            content_type = value
    address = (scope.get("client") or ("",))[0]
    return KrakenRequest(
        scope["method"], scope["path"], scope["query_string"], api_key, signature, content_type, body, address
    )


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body") and len(body) <= LARGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientDisconnected
    return body


async def _wait(seconds: float, receive: Receive) -> None:
    """Wait, but not longer than the client does."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


async def _send(reply: Reply, send: Send, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
        *more,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _cut(scope: Scope, receive: Receive) -> None:
    """Abort the connection and wait until the server has noticed, so that it sends no answer itself."""
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("a dropped reply needs the transport of server.py")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
