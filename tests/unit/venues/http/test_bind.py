"""VENUE_BIND: every connection to a venue is from that address, and what it cannot reach is not reached another way."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from shared.config.venue.egress import Egress, read_bind
from shared.config.venue.proxy import read_proxy
from shared.venues.errors import Unavailable
from shared.venues.factory import new_http_session
from shared.venues.streaming.connection import StreamAddress
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import always_ok
from tests.unit.venues.http.test_proxy import Proxy
from tests.unit.venues.stream_stub import Peer, StreamStub

THREE = Egress(bind=read_bind("127.0.0.3"))


async def test_requests_are_from_the_address(serve: Serve) -> None:
    server = await serve(always_ok)
    async with new_http_session(THREE) as http:
        origin = http.origin(f"http://127.0.0.1:{server.port}")
        assert (await origin.ask("GET", "/", {}, timeout=10)).status == 200
        assert (await http.origin(f"http://localhost:{server.port}").ask("GET", "/", {}, timeout=10)).status == 200
    assert server.addresses == ["127.0.0.3", "127.0.0.3"]


async def test_streams_are_from_the_address() -> None:
    met: list[str] = []

    async def greet(peer: Peer) -> None:
        met.append(peer.address)
        await peer.send({"hello": 1})
        await peer.until_closed()

    stub = StreamStub([greet])
    await stub.start()
    async with new_http_session(THREE) as http, StreamAddress(http, stub.url).connect() as connection:
        assert await connection.receive() == {"hello": 1}
    await stub.stop()
    assert met == ["127.0.0.3"]


async def test_a_proxy_is_connected_to_from_the_address(
    serve: Serve, secured: ssl.SSLContext, certificate: Path
) -> None:
    server, proxy = await serve(always_ok, tls=secured), Proxy()
    async with await proxy.start(), new_http_session(Egress(read_proxy(proxy.url()), THREE.bind)) as http:
        http._context().load_verify_locations(certificate)
        assert (await http.origin(f"https://localhost:{server.port}").ask("GET", "/", {}, timeout=10)).status == 200
        await http.close()
        await proxy.end()
    assert proxy.addresses == ["127.0.0.3"]
    assert server.addresses == ["127.0.0.1"]  # the proxy's own


async def test_an_address_of_the_other_kind_is_surely_not_reached(serve: Serve) -> None:
    server = await serve(always_ok)
    async with new_http_session(Egress(bind=read_bind("::1"))) as http:
        with pytest.raises(Unavailable, match=r"it has no address that VENUE_BIND \(::1\) can reach"):
            await http.origin(f"http://127.0.0.1:{server.port}").ask("GET", "/", {}, timeout=10)
    assert server.addresses == []


async def test_an_address_of_another_machine_is_surely_not_sent(serve: Serve) -> None:
    server = await serve(always_ok)
    async with new_http_session(Egress(bind=read_bind("192.0.2.1"))) as http:
        with pytest.raises(Unavailable, match="could not connect"):
            await http.origin(f"http://127.0.0.1:{server.port}").ask("GET", "/", {}, timeout=10)
    assert server.addresses == []
