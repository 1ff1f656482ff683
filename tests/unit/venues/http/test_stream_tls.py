"""Streams over TLS prove their name as requests do: the same context, and the same proxy."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.config.venue.egress import Egress
from shared.config.venue.proxy import read_proxy
from shared.venues.factory import HttpSession, new_http_session
from shared.venues.streaming.connection import StreamAddress, StreamEnded
from tests.unit.venues.http.test_proxy import Proxy
from tests.unit.venues.stream_stub import Peer, StreamStub


async def greet(peer: Peer) -> None:
    await peer.send({"hello": 1})
    await peer.until_closed()


@pytest.fixture
async def server(secured: ssl.SSLContext) -> AsyncIterator[StreamStub]:
    stub = StreamStub([greet], tls=secured)
    await stub.start()
    yield stub
    await stub.stop()


async def test_a_trusted_name_is_connected_to(http: HttpSession, server: StreamStub, certificate: Path) -> None:
    http._context().load_verify_locations(certificate)
    async with StreamAddress(http, server.url).connect() as connection:
        assert await connection.receive() == {"hello": 1}


async def test_an_untrusted_name_is_not(http: HttpSession, server: StreamStub) -> None:
    with pytest.raises(StreamEnded, match="SSLCertVerificationError"):
        async with StreamAddress(http, server.url).connect():
            pass
    assert server.requests == []


async def test_another_name_is_not(http: HttpSession, server: StreamStub, certificate: Path) -> None:
    http._context().load_verify_locations(certificate)
    with pytest.raises(StreamEnded, match="SSLCertVerificationError"):
        async with StreamAddress(http, server.url.replace("localhost", "127.0.0.1")).connect():
            pass
    assert server.requests == []


async def test_the_proxy_is_used_and_sees_no_content(server: StreamStub, certificate: Path) -> None:
    proxy = Proxy()
    relay = await proxy.start()
    async with relay, new_http_session(Egress(read_proxy(proxy.url("user:pass@")))) as http:
        http._context().load_verify_locations(certificate)
        async with StreamAddress(http, server.url).connect() as connection:
            assert await connection.receive() == {"hello": 1}
        await proxy.end()
    assert [head.split(b"\r\n")[0] for head in proxy.heads] == [
        f"CONNECT localhost:{server.url.rpartition(':')[2]} HTTP/1.1".encode()
    ]
