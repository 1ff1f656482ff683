"""Over TLS: the other side proves its name or nothing is sent, and failures are distinguished as without."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.factory import HttpSession
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import OK, Line, always_ok


@pytest.fixture
def trusting(http: HttpSession, certificate: Path) -> HttpSession:
    """A session that knows who made the certificate."""
    http._context().load_verify_locations(certificate)
    return http


async def test_one_connection_serves_many_requests(
    trusting: HttpSession, serve: Serve, secured: ssl.SSLContext
) -> None:
    server = await serve(always_ok, tls=secured)
    origin = trusting.origin(server.url)
    for _ in range(3):
        assert (await origin.ask("POST", "/", {}, b"a=1", timeout=30)).body == b"ok"
    assert (len(server.requests), len(server.lines)) == (3, 1)


async def test_nothing_is_sent_to_whoever_has_no_name_that_is_trusted(
    http: HttpSession, serve: Serve, secured: ssl.SSLContext
) -> None:
    server = await serve(always_ok, tls=secured)
    with pytest.raises(Unavailable, match="could not connect to localhost: SSLCertVerificationError"):
        await http.origin(server.url).ask("POST", "/", {}, b"a=1", timeout=30)
    assert server.requests == []


async def test_nothing_is_sent_to_whoever_has_another_name(
    trusting: HttpSession, serve: Serve, secured: ssl.SSLContext
) -> None:
    server = await serve(always_ok, tls=secured)
    with pytest.raises(Unavailable, match="SSLCertVerificationError"):
        await trusting.origin(f"https://127.0.0.1:{server.port}").ask("POST", "/", {}, b"a=1", timeout=30)
    assert server.requests == []


async def test_nothing_is_sent_to_whoever_speaks_no_tls(trusting: HttpSession, serve: Serve) -> None:
    async def plain(line: Line) -> None:
        await line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await serve(plain)
    with pytest.raises(Unavailable, match="could not connect"):
        await trusting.origin(f"https://localhost:{server.port}").ask("POST", "/", {}, b"a=1", timeout=30)


async def test_nothing_is_sent_to_whoever_stays_silent(trusting: HttpSession, serve: Serve) -> None:
    server = await serve(lambda line: line.until_closed())
    with pytest.raises(Unavailable, match="TimeoutError"):
        await trusting.origin(f"https://localhost:{server.port}").ask("POST", "/", {}, b"a=1", timeout=2)
    async with asyncio.timeout(10):
        await server.lines[0].closed.wait()


@pytest.mark.parametrize("how", ["closed", "cut", "reset", "silent"])
async def test_whatever_is_no_whole_answer_leaves_the_outcome_unknown(
    trusting: HttpSession, serve: Serve, secured: ssl.SSLContext, how: str
) -> None:
    async def script(line: Line) -> None:
        await line.request()
        if how == "cut":
            await line.send(OK[:-1])
        elif how == "reset":
            line.reset()
        elif how == "silent":
            await line.until_closed()

    server = await serve(script, tls=secured)
    with pytest.raises(OutcomeUnknown):
        await trusting.origin(server.url).ask("POST", "/", {}, b"a=1", timeout=2 if how == "silent" else 30)
    assert len(server.requests) == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_left_for_another(
    trusting: HttpSession, serve: Serve, secured: ssl.SSLContext
) -> None:
    async def once(line: Line) -> None:
        await line.answer(OK)

    server = await serve(once, tls=secured)
    for _ in range(2):
        assert (await trusting.origin(server.url).ask("GET", "/", {}, timeout=30)).status == 200
        await asyncio.sleep(0.05)
    assert len(server.lines) == 2


async def test_a_cancelled_request_ends_its_connection(
    trusting: HttpSession, serve: Serve, secured: ssl.SSLContext
) -> None:
    async def late(line: Line) -> None:
        await line.request()
        await line.until_closed()

    server = await serve(late, tls=secured)
    asking = asyncio.create_task(trusting.origin(server.url).ask("POST", "/", {}, b"a=1", timeout=30))
    await server.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(10):
        await server.lines[0].closed.wait()
