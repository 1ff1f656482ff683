"""The HTTP client of all venues of a process: connections kept per account, each request sent once, failures classified.

Written for orders. A general client costs several times what an order needs, and repeats, redirects or reads the environment
where an order must not. This one supports HTTP/1.1 with GET and POST, plain or over TLS (through a proxy's CONNECT, if one is
set), and nothing else: no redirects, cookies, netrc or compression.

Every failure is one of two:

    Unavailable     no connection was made: surely nothing was sent
    OutcomeUnknown  something was sent and no whole answer came

It must never send a request over a connection that another account uses: a gateway that repeats or swaps answers could deliver
one account's answer to the other. So each account has its own connections. And it must never send a request twice, not even a
GET, and not even if the connection turns out to have been closed meanwhile: if that is seen before the request is written,
another connection is used; if it is seen afterwards, the outcome is unknown.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, Self
from weakref import WeakSet

from shared.config.venue.egress import Egress
from shared.config.venue.origins import Origin, read_origin, read_stream_origin
from shared.venues.errors import Unavailable
from shared.venues.http.connection import HttpAnswer, HttpConnection
from shared.venues.http.dial import Dialer, NoRoute
from shared.venues.http.proxy import ProxyFailed
from shared.venues.http.request import Verb, request_bytes

KEEP_ALIVE: Final = 60.0  # seconds; a new TLS connection costs an order more than everything else on its way
DIRECT: Final = Egress()
CONNECT_SHARE: Final = 0.5
"""Share of the time-out for connecting: a failure there means "surely not sent", so it should come early."""


def new_http_session(egress: Egress = DIRECT) -> HttpSession:
    """Return a new session for all venues of a process; the caller closes it. Needs a running loop.

    TLS connections go through the proxy of `egress`; plain ones (to a paper exchange) never do. All of them are from its address.
    """
    return HttpSession(egress)


class HttpSession:
    """All origins of a process: they share how to connect, but no connection."""

    def __init__(self, egress: Egress = DIRECT) -> None:
        self._egress = egress
        self._dialers: dict[tuple[str, str, int], Dialer] = {}
        self._origins: WeakSet[HttpOrigin] = WeakSet()
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def origin(self, url: str) -> HttpOrigin:
        """Return the origin of a URL with connections for this one caller: an account, or the public side of a venue.

        Raises ValueError for a URL that has none.
        """
        asked = read_origin(url)
        secure = asked.scheme == "https"
        tls = self._context() if secure else None
        origin = HttpOrigin(asked.host, asked.port, tls=tls, dialer=self._dialer(asked, secure=secure))
        if self._closed:
            origin.refuse()
        self._origins.add(origin)
        return origin

    def stream_dialer(self, url: str) -> Dialer:
        """Return what connects to a ws:// or wss:// URL in the same way: names checked, the same proxy and address.

        The connections are the caller's to close. Raises ValueError for another URL.
        """
        asked = read_stream_origin(url)
        return self._dialer(asked, secure=asked.scheme == "wss")

    def _dialer(self, asked: Origin, *, secure: bool) -> Dialer:
        key = (asked.scheme, asked.host, asked.port)
        if key not in self._dialers:
            tls, proxy = (self._context(), self._egress.proxy) if secure else (None, None)
            self._dialers[key] = Dialer(asked.host, asked.port, tls, proxy, self._egress.bind)
        return self._dialers[key]

    async def close(self) -> None:
        """Close all connections and wait until they are closed; requests in flight fail."""
        self._closed = True
        await asyncio.gather(*(origin.close() for origin in list(self._origins)))

    def _context(self) -> ssl.SSLContext:
        """Return the TLS context of all connections: the system's authorities, names checked. Loaded only once, as it is slow."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


class HttpOrigin:
    """One scheme, host and port, and one caller's connections to it. The last used is used first, so that the others expire.

    There are as many as the caller needs at once: one for an account, which sends one request after another.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, dialer: Dialer) -> None:
        """With `tls` the other side has to prove that it is `host`, also through the dialer's proxy."""
        named = f"[{host}]" if ":" in host else host
        self.host = host
        self._named = named if port == (443 if tls else 80) else f"{named}:{port}"
        self._dialer = dialer
        self._all: set[HttpConnection] = set()
        self._idle: dict[HttpConnection, None] = {}  # the oldest first
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(
        self, verb: Verb, target: str, headers: Mapping[str, str], body: bytes | None = None, *, timeout: float
    ) -> HttpAnswer:
        """Send one request, once, and return its answer, whatever its status.

        `target` is path and query, `timeout` the seconds for everything together. Raises Unavailable if nothing was sent,
        OutcomeUnknown if something was and no whole answer came, ValueError for characters that are not allowed in a request. No
        failure carries anything of the request.
        """
        request = request_bytes(verb, target, self._named, headers, body)
        until = asyncio.get_running_loop().time() + timeout
        connection = self._kept() or await self._connect(timeout * CONNECT_SHARE)
        answer = await connection.exchange(request, until=until, timeout=timeout)
        self._keep(connection)
        return answer

    def drop_idle(self) -> None:
        """Close the connections that are not in use: one of them delivered an answer to another request."""
        for connection in list(self._idle):
            connection.end("its answers are in doubt")

    def refuse(self) -> None:
        """Refuse further requests."""
        self._closed = True

    async def close(self) -> None:
        """Refuse further requests, and close all connections."""
        self.refuse()
        if self._sweep is not None:
            self._sweep.cancel()
        open_ones = list(self._all)
        for connection in open_ones:
            connection.end("the connection pool was closed")
        await asyncio.gather(*(connection.lost for connection in open_ones))

    def _kept(self) -> HttpConnection | None:
        if self._closed:
            raise Unavailable("the connection pool is closed")
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.quiet:
                return connection
        return None

    async def _connect(self, within: float) -> HttpConnection:
        failed = ""
        try:
            async with asyncio.timeout(within):
                connection = await self._dialer.dial(lambda: HttpConnection(self.host, self._forget))
        except (ProxyFailed, NoRoute) as error:
            failed = str(error)
        except OSError as error:  # TimeoutError and all TLS errors are subclasses
            failed = type(error).__name__
        else:
            if self._closed:
                connection.end("the connection pool was closed")
            if not connection.ended:
                self._all.add(connection)
                return connection
            failed = "closed at once"
        raise Unavailable(f"could not connect to {self.host}: {failed}")

    def _keep(self, connection: HttpConnection) -> None:
        if connection.ended:
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle[connection] = None
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_ALIVE, self._drop_old)

    def _drop_old(self) -> None:
        """Close connections that were idle for too long, and schedule the next check."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        for connection in list(self._idle):
            due = connection.idle_since + KEEP_ALIVE
            if due > loop.time():
                self._sweep = loop.call_at(due, self._drop_old)
                break
            connection.end("idle")

    def _forget(self, connection: HttpConnection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)
