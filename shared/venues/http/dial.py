"""How a connection to one host and port is made: its addresses (or those of a proxy), the fastest that answers, then TLS.

A name can have addresses that do not answer from here (IPv6 behind a router that drops it, a dead balancer). They are tried in
turn, families alternating, each with a short start before the next (RFC 8305), so that an order does not wait for a dead one.

It must never leave a socket open that nobody holds: what is not handed out is closed, also when whoever asked has given up.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeVar

from shared.config.proxy import Proxy
from shared.venues.http.proxy import open_tunnel

_HEAD_START: Final = 0.25  # seconds that an address is given before the next is tried beside it; RFC 8305 section 8

_P = TypeVar("_P", bound=asyncio.Protocol)
_Address = tuple[int, int, int, str, Any]  # as getaddrinfo gives it


class Dialer:
    """Makes connections to one host and port."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, proxy: Proxy | None = None) -> None:
        """With `tls` the other side has to prove that it is `host`; a proxy, which needs `tls`, only passes bytes on."""
        if proxy is not None and tls is None:
            raise ValueError("only what is spoken to by TLS is reached through a proxy")
        self._name = host
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._tls = tls
        self._proxy = proxy
        self._host = host if proxy is None else proxy.origin.host  # whom the connection is made to
        self._port = port if proxy is None else proxy.origin.port
        self._literal = _read_literal(self._host, self._port)
        self._resolving: asyncio.Future[Any] | None = None

    async def dial(self, make: Callable[[], _P]) -> _P:
        """Connect and give the protocol that `make` made. Raises OSError; set a time-out around it, for it has none."""
        link = await _first_to_answer(self._literal or await self._resolve())
        if self._proxy is not None:
            await open_tunnel(link, self._target, self._proxy.authorization)
        _, protocol = await asyncio.get_running_loop().create_connection(  # from here on the socket is the transport's
            make, sock=link, ssl=self._tls, server_hostname=self._name if self._tls else None
        )
        return protocol

    async def _resolve(self) -> list[_Address]:
        """Look the name up, once for all who ask meanwhile: a process may open a thousand connections at once."""
        if self._resolving is None:
            looking = asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._resolving = asyncio.ensure_future(looking)
            self._resolving.add_done_callback(self._resolved)
        return _alternating(await asyncio.shield(self._resolving))

    def _resolved(self, looking: asyncio.Future[Any]) -> None:
        self._resolving = None
        if not looking.cancelled():
            looking.exception()  # seen, should nobody wait any more


def _read_literal(host: str, port: int) -> list[_Address]:
    """Give the address that `host` is, without asking anyone; none if it is a name."""
    try:
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)]
    except socket.gaierror:
        return []


def _alternating(found: Sequence[_Address]) -> list[_Address]:
    """Take turns between the families, beginning with the one that the system put first."""
    same = [address for address in found if address[0] == found[0][0]]
    other = [address for address in found if address[0] != found[0][0]]
    return [address for pair in zip_longest(same, other) for address in pair if address is not None]


async def _first_to_answer(addresses: Sequence[_Address]) -> socket.socket:
    """Connect to whichever answers first. Raises the last failure once all have failed."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    left = deque(addresses)
    tries: set[asyncio.Task[socket.socket]] = set()
    under_way: set[asyncio.Task[socket.socket]] = set()
    winner: asyncio.Task[socket.socket] | None = None
    failure: BaseException = OSError("no address")
    try:
        while winner is None and (left or under_way):
            if left:
                under_way.add(asyncio.create_task(_connect(left.popleft())))
                tries |= under_way
            done, under_way = await asyncio.wait(
                under_way, timeout=_HEAD_START if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                failed = one.exception()
                if failed is None:
                    winner = one
                else:
                    failure = failed
    finally:
        for one in tries:
            if one is not winner:
                one.cancel()
                one.add_done_callback(_close)
    if winner is None:
        raise failure
    return winner.result()


def _close(one: asyncio.Task[socket.socket]) -> None:
    if not one.cancelled() and one.exception() is None:
        one.result().close()


async def _connect(address: _Address) -> socket.socket:
    family, kind, protocol, _, where = address
    link = socket.socket(family, kind, protocol)
    try:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(link, where)
    except BaseException:
        link.close()
        raise
    return link
