"""Connects to one host and port: looks up its addresses (or those of a proxy), takes the first that answers, then does TLS.

A name can have addresses that do not answer from here (IPv6 behind a router that drops it, a dead balancer). aiohappyeyeballs
tries them in turn, families alternating, each with a short start before the next (RFC 8305): no order waits for a dead one.

It must never leak a socket: one that is not returned is closed, also when the caller was cancelled.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from shared.config.venue.egress import Address
from shared.config.venue.proxy import Proxy
from shared.venues.http.proxy import open_tunnel

_HEAD_START: Final = 0.25  # seconds that an address is given before the next is tried beside it; RFC 8305 section 8
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_BIND_NO_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT of Linux, which Python 3.11 does not name: the port is chosen on connecting, so that one address can
hold more connections than there are ports."""

_P = TypeVar("_P", bound=asyncio.Protocol)


class NoRoute(OSError):  # noqa: N818  # a connection failure like others; its text may be shown
    """The venue has no address of the kind from which this process is to connect."""


class Dialer:
    """Makes connections to one host and port."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None = None,
        bind: Address | None = None,
    ) -> None:
        """With `tls` the other side has to prove that it is `host`; a proxy, which needs `tls`, only relays bytes.

        All connections are from the address `bind`, if there is one: what it cannot reach is not reached.
        """
        if proxy is not None and tls is None:
            raise ValueError("only TLS connections can go through a proxy")
        self._name = host
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._tls = tls
        self._proxy = proxy
        self._host = host if proxy is None else proxy.origin.host  # the other end of the TCP connection
        self._port = port if proxy is None else proxy.origin.port
        self._literal = _read_literal(self._host, self._port)
        self._bind = bind
        self._resolving: asyncio.Future[Any] | None = None

    async def dial(self, make: Callable[[], _P]) -> _P:
        """Connect and return the protocol that `make` made. Raises OSError; it has no time-out, so set one around it."""
        link = await _first_to_answer(self._literal or await self._resolve(), self._bind)
        if self._proxy is not None:
            await open_tunnel(link, self._target, self._proxy.authorization)
        _, protocol = await asyncio.get_running_loop().create_connection(  # from here on the socket is the transport's
            make, sock=link, ssl=self._tls, server_hostname=self._name if self._tls else None
        )
        return protocol

    async def _resolve(self) -> list[AddrInfoType]:
        """Resolve the name, once for all concurrent callers: a process may open a thousand connections at once."""
        if self._resolving is None:
            looking = asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._resolving = asyncio.ensure_future(looking)
            self._resolving.add_done_callback(self._resolved)
        return list(await asyncio.shield(self._resolving))

    def _resolved(self, looking: asyncio.Future[Any]) -> None:
        self._resolving = None
        if not looking.cancelled():
            looking.exception()  # retrieved here in case no caller is left


def _read_literal(host: str, port: int) -> list[AddrInfoType]:
    """Return the address that `host` spells out, without a lookup; an empty list if it is a name."""
    try:
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)]
    except socket.gaierror:
        return []


async def _first_to_answer(addresses: Sequence[AddrInfoType], bind: Address | None = None) -> socket.socket:
    """Connect to the address that answers first, from `bind`. Raises OSError once all have failed."""
    family = None if bind is None else _FAMILIES[bind.version]
    usable = [each for each in addresses if family in {None, each[0]}]
    if not usable:
        raise (
            OSError("no address") if bind is None else NoRoute(f"it has no address that VENUE_BIND ({bind}) can reach")
        )
    factory = _new_socket if bind is None else partial(_new_socket, bind=bind)
    try:
        return await start_connection(usable, happy_eyeballs_delay=_HEAD_START, socket_factory=factory)
    except RuntimeError as error:  # what uvloop raises of a socket that it believes to be in use
        raise OSError(str(error)) from error


def _new_socket(address: AddrInfoType, bind: Address | None = None) -> socket.socket:
    family, kind, protocol, _, _ = address
    link = socket.socket(family, kind, protocol)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if bind is not None:
        try:
            if family == socket.AF_INET and sys.platform == "linux":
                link.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
            link.bind((str(bind), 0))
        except OSError:
            link.close()
            raise
    return link
