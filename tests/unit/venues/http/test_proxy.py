"""VENUE_PROXY: the venue is reached through a proxy's CONNECT; what fails there was surely not sent (case G5)."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings
from shared.config.venue.egress import Egress
from shared.config.venue.proxy import read_proxy
from shared.venues.errors import Unavailable
from shared.venues.http.session import HttpSession
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import always_ok


class Proxy:
    """A small CONNECT proxy. It answers with `answer`, and passes bytes on if that begins with 200."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.addresses: list[str] = []
        """From where each client came."""
        self.port = 0
        self.answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def url(self, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}"

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.addresses.append(writer.get_extra_info("peername")[0])
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self.silent:
                await reader.read()
                return
            writer.write(self.answer)
            await writer.drain()
            if b" 200 " in self.answer[:14]:
                port = int(head.split(b" ")[1].rpartition(b":")[2])
                there, back = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    found = Proxy()
    server = await found.start()
    async with server:
        yield found
        await found.end()


def session(url: str, certificate: Path) -> HttpSession:
    http = HttpSession(Egress(read_proxy(url)))
    http._context().load_verify_locations(certificate)
    return http


async def test_a_venue_is_reached_through_the_proxy_and_proves_its_name(
    proxy: Proxy,
    serve: Serve,
    secured: ssl.SSLContext,
    certificate: Path,
) -> None:
    server = await serve(always_ok, tls=secured)
    async with session(proxy.url(), certificate) as http:
        origin = http.origin(server.url)
        for _ in range(2):
            answer = await origin.ask("POST", "/0/private/AddOrder", {"API-Key": "k"}, b"a=1", timeout=10)
            assert (answer.status, answer.body) == (200, b"ok")
    assert proxy.heads == [
        f"CONNECT localhost:{server.port} HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
    ]
    assert len(server.requests) == 2


async def test_the_proxy_is_given_its_password_and_the_venue_is_not(
    proxy: Proxy,
    serve: Serve,
    secured: ssl.SSLContext,
    certificate: Path,
) -> None:
    server = await serve(always_ok, tls=secured)
    async with session(proxy.url("al%40ice:p%23%20ss%C3%A9@"), certificate) as http:
        await http.origin(server.url).ask("GET", "/", {}, timeout=10)
    token = base64.b64encode("al@ice:p# ssé".encode())
    assert b"Proxy-Authorization: Basic " + token + b"\r\n" in proxy.heads[0]
    assert b"Proxy-Authorization" not in server.requests[0]


async def test_what_is_not_spoken_to_by_tls_is_not_reached_through_the_proxy(
    proxy: Proxy,
    serve: Serve,
    certificate: Path,
) -> None:
    server = await serve(always_ok)
    async with session(proxy.url(), certificate) as http:
        assert (await http.origin(server.url).ask("GET", "/", {}, timeout=10)).body == b"ok"
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nX: s3cr3t\r\n\r\n", r"user name and password \(407\)"),
        (b"HTTP/1.1 403 s3cr3t\r\n\r\n", r"the proxy refuses to connect \(403\)"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nwhy", r"the proxy refuses to connect \(502\)"),
        (b"SSH-2.0-s3cr3t\r\n\r\n", "what answers at VENUE_PROXY is not a proxy"),
        (b"", "the proxy has closed the connection"),
        (b"HTTP/1.1 403 half", "the proxy has closed the connection"),
        (b"HTTP/1.1 500 " + b"x" * 20_000 + b"\r\n\r\n", "what answers at VENUE_PROXY is not a proxy"),
    ],
)
async def test_a_proxys_failure_means_that_nothing_was_sent(
    proxy: Proxy,
    serve: Serve,
    secured: ssl.SSLContext,
    certificate: Path,
    answer: bytes,
    words: str,
) -> None:
    proxy.answer = answer
    server = await serve(always_ok, tls=secured)
    async with session(proxy.url("user:s3cr3t@"), certificate) as http:
        with pytest.raises(Unavailable, match=words) as failed:
            await http.origin(server.url).ask("POST", "/", {}, b"a=1", timeout=10)
    assert "s3cr3t" not in str(failed.value)
    assert server.requests == []


async def test_a_proxy_that_does_not_answer_is_not_waited_for_for_long(
    proxy: Proxy,
    serve: Serve,
    secured: ssl.SSLContext,
    certificate: Path,
) -> None:
    proxy.silent = True
    server = await serve(always_ok, tls=secured)
    async with session(proxy.url(), certificate) as http:
        with pytest.raises(Unavailable, match="TimeoutError"):
            await http.origin(server.url).ask("POST", "/", {}, b"a=1", timeout=0.5)
    assert server.requests == []


async def test_a_proxy_that_is_not_there_means_that_nothing_was_sent(certificate: Path) -> None:
    async with session("http://127.0.0.1:1", certificate) as http:
        with pytest.raises(Unavailable, match="ConnectionRefusedError"):
            await http.origin("https://localhost:2").ask("POST", "/", {}, b"a=1", timeout=10)


async def test_whoever_has_another_name_behind_the_proxy_is_sent_nothing(
    proxy: Proxy,
    serve: Serve,
    secured: ssl.SSLContext,
    certificate: Path,
) -> None:
    server = await serve(always_ok, tls=secured)
    async with session(proxy.url(), certificate) as http:
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            await http.origin(f"https://127.0.0.1:{server.port}").ask("POST", "/", {}, b"a=1", timeout=10)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy:1",
        "socks5://proxy:1",
        "proxy:3128",
        "http://proxy",
        "http://proxy:1/x",
        "http://proxy:1?x",
        "http://p x:1",
    ],
)
def test_a_setting_that_names_no_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("VENUE_PROXY", url)
    with pytest.raises(ConfigurationError, match="VENUE_PROXY: VENUE_PROXY is http://host:port"):
        load_settings()


def test_a_proxy_of_the_shell_is_said_to_be_ignored_in_live_mode_only() -> None:
    assert "HTTPS_PROXY is set and not used" in Settings(shoal_mode="live", https_proxy="http://p:1").ignored_proxy
    for settings in (
        Settings(https_proxy="http://p:1"),
        Settings(shoal_mode="live", https_proxy="http://p:1", venue_proxy="http://q:2"),
        Settings(shoal_mode="live", https_proxy=""),
    ):
        assert settings.ignored_proxy == ""
