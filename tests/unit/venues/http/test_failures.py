"""Ways of failing: what surely never left is told from what may have arrived, and nothing is ever sent again."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError
from shared.venues.factory import HttpSession
from shared.venues.http import connection as http_connection
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import OK, Line, always_ok, first

SECRETS = {"API-Key": "kEyOfTheTest", "API-Sign": "sIgNaTuRe"}
BODY = b"nonce=1&volume=1.25"
HEAD = b"HTTP/1.1 200 OK\r\n"


def _sends(*pieces: bytes) -> Callable[[Line], Coroutine[Any, Any, None]]:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(*pieces)

    return script


async def _resets(line: Line) -> None:
    await line.request()
    line.reset()


async def _resets_within_the_body(line: Line) -> None:
    await line.request()
    await line.send(HEAD + b"Content-Length: 50\r\n\r\n{", pause=0.02)
    line.reset()


IN_DOUBT = {
    "closed": _sends(),
    "reset": _resets,
    "reset within the body": _resets_within_the_body,
    "closed within the first line": _sends(b"HTTP/1.1 2"),
    "closed within the head": _sends(HEAD + b"Content-Le"),
    "closed within the body": _sends(HEAD + b"Content-Length: 9\r\n\r\n{}"),
    "closed within a chunk": _sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}"),
    "closed before the last chunk": _sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "closed after a hint": _sends(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "of an encoding that ends with the connection": _sends(HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}"),
    "garbage": _sends(b"\x16\x03\x01\x00garbage\r\n\r\n"),
    "no HTTP": _sends(b"220 mail.example ESMTP\r\n"),
    "another protocol": _sends(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + OK),
    "two lengths": _sends(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    "a length and chunks": _sends(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a negative length": _sends(HEAD + b"Content-Length: -2\r\n\r\n"),
    "a chunk of no length": _sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
}
WITHOUT_END = {
    "head": (HEAD, b"X: " + b"x" * 60_000 + b"\r\n"),
    "head line": (HEAD, b"x" * 60_000),
    "hints": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,) * 2,
    "body": (HEAD + b"\r\n", b"x" * 100_000),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
}


@pytest.mark.parametrize("script", IN_DOUBT.values(), ids=IN_DOUBT.keys())
async def test_whatever_is_no_whole_answer_leaves_the_outcome_unknown(
    http: HttpSession,
    serve: Serve,
    script: Callable[[Line], Coroutine[Any, Any, None]],
) -> None:
    server = await serve(first(script, always_ok))
    origin = http.origin(server.url)
    with pytest.raises(OutcomeUnknown) as told:
        await origin.ask("POST", "/0/private/AddOrder", SECRETS, BODY, timeout=30)
    assert len(server.requests) == 1
    _holds_no_secret(told.value)
    await origin.ask("GET", "/", {}, timeout=30)  # on another connection
    assert len(server.lines) == 2


@pytest.mark.parametrize(("begins", "goes_on"), WITHOUT_END.values(), ids=WITHOUT_END.keys())
async def test_an_answer_without_end_is_not_read_for_ever(
    http: HttpSession, serve: Serve, begins: bytes, goes_on: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A head is to be found too long for a head, long before it is too long for an answer.
    monkeypatch.setattr(http_connection, "LONGEST_ANSWER", 10**12 if begins == HEAD else 1_000_000)

    async def script(line: Line) -> None:
        await line.request()
        await line.send(begins)
        while True:
            await line.send(goes_on)

    server = await serve(script)
    with pytest.raises(OutcomeUnknown, match="too long"):
        await http.origin(server.url).ask("GET", "/", {}, timeout=30)


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_kept_connection_that_closes_at_the_request_leaves_the_outcome_unknown(
    http: HttpSession, serve: Serve, verb: Any
) -> None:
    async def script(line: Line) -> None:
        await line.answer(OK)
        await line.request()

    server = await serve(script)
    origin = http.origin(server.url)
    await origin.ask("GET", "/", {}, timeout=30)
    with pytest.raises(OutcomeUnknown):
        await origin.ask(verb, "/", {}, BODY if verb == "POST" else None, timeout=30)
    assert (len(server.requests), len(server.lines)) == (2, 1)  # nothing was sent again


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
async def test_the_time_out_is_for_everything_together_and_ends_the_connection(
    http: HttpSession, serve: Serve, drips: bool
) -> None:
    async def script(line: Line) -> None:
        await line.answer(OK)  # so that the connection is there: of the time that counts none is for making it
        await line.request()
        if drips:
            await line.send(HEAD, *[b"X: y\r\n"] * 100, pause=1)
        await line.until_closed()

    server = await serve(script)
    origin = http.origin(server.url)
    await origin.ask("GET", "/", {}, timeout=30)
    began = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown, match=r"no answer from 127\.0\.0\.1 within 0\.2 s") as told:
        await origin.ask("POST", "/", SECRETS, BODY, timeout=0.2)
    assert 0.19 < asyncio.get_running_loop().time() - began < 60  # what drips takes 100 s
    _holds_no_secret(told.value)
    async with asyncio.timeout(10):
        await server.lines[0].closed.wait()


async def test_a_closed_port_means_that_nothing_was_sent(http: HttpSession) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound, not listening
        origin = http.origin(f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(Unavailable, match=r"could not connect to 127\.0\.0\.1: ConnectionRefusedError") as told:
            await origin.ask("POST", "/", SECRETS, BODY, timeout=30)
    _holds_no_secret(told.value)


async def test_a_connection_that_takes_half_of_the_time_is_given_up_and_nothing_was_sent(http: HttpSession) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        origin = http.origin(f"http://127.0.0.1:{full.getsockname()[1]}")
        began = asyncio.get_running_loop().time()
        try:
            with pytest.raises(Unavailable, match=r"could not connect.*TimeoutError"):
                await origin.ask("POST", "/", {}, BODY, timeout=12)
        finally:
            for each in waiting:
                each.close()
        assert 5.99 < asyncio.get_running_loop().time() - began < 11.9


async def test_a_session_that_is_closed_sends_nothing(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    origin = http.origin(server.url)
    await http.close()
    for closed in (origin, http.origin("http://127.0.0.1:1")):
        with pytest.raises(Unavailable, match="closed"):
            await closed.ask("POST", "/", {}, BODY, timeout=30)
    assert server.lines == []


async def test_closing_the_session_ends_what_is_under_way(http: HttpSession, serve: Serve) -> None:
    server = await serve(_sends_nothing)
    asking = asyncio.create_task(http.origin(server.url).ask("POST", "/", SECRETS, BODY, timeout=30))
    await server.arrived.wait()
    await http.close()
    with pytest.raises(OutcomeUnknown, match="closed") as told:
        await asking
    _holds_no_secret(told.value)


async def test_closing_the_session_ends_what_is_connecting(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    asking = asyncio.create_task(http.origin(server.url).ask("POST", "/", SECRETS, BODY, timeout=30))
    await asyncio.sleep(0)
    await http.close()
    with pytest.raises(Unavailable):
        await asking
    assert server.requests == []


async def _sends_nothing(line: Line) -> None:
    await line.request()
    await line.until_closed()


def _holds_no_secret(failure: VenueError) -> None:
    assert failure.__context__ is None
    assert failure.__cause__ is None
    text = "".join(traceback.format_exception(failure)) + repr(failure.__dict__)
    for secret in (*SECRETS.values(), "1.25"):
        assert secret not in text
