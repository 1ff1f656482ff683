"""What an answer may look like: however it is framed and in whatever pieces it comes, it is the same answer."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from shared.venues.factory import HttpSession
from shared.venues.http.connection import HttpAnswer, HttpConnection
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import OK, Line

BODY = b'{"error":[],"result":{}}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + BODY[:9] + b"\r\nf\r\n" + BODY[9:] + b"\r\n0\r\n"
)
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n" + BODY
ANSWERS = {
    "with a length": (WITH_LENGTH, 200, BODY),
    "chunked": (CHUNKED + b"\r\n", 200, BODY),
    "chunked, with a trailer": (CHUNKED + b"X-Late: 3\r\n\r\n", 200, BODY),
    "until closed": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY, 200, BODY),
    "until closed, empty": (b"HTTP/1.1 200 OK\r\n\r\n", 200, b""),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 24\r\n\r\n" + BODY, 200, BODY),
    "after a 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + WITH_LENGTH, 200, BODY),
    "after two hints": (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 2 + WITH_LENGTH, 200, BODY),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 24\r\n\r\n", 304, b""),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, b""),
    "a failure": (b"HTTP/1.1 503 No\r\nContent-Length: 24\r\n\r\n" + BODY, 503, BODY),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 24\r\n\r\n" + BODY, 200, BODY),
    "an empty header": (b"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 24\r\n\r\n" + BODY, 200, BODY),
}


@pytest.mark.parametrize("pause", [0.0, 0.001], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("sent", "status", "body"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_read_however_it_is_framed(
    http: HttpSession, serve: Serve, sent: bytes, status: int, body: bytes, pause: float
) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(*([sent[at : at + 1] for at in range(len(sent))] if pause else [sent]), pause=pause)

    server = await serve(script)
    answer = await http.origin(server.url).ask("GET", "/", {}, timeout=30)
    assert (answer.status, answer.body) == (status, body)
    assert len(server.requests) == 1


async def test_headers_are_found_by_name_and_the_trailer_of_a_chunked_body_is_none(
    http: HttpSession, serve: Serve
) -> None:
    head = b"HTTP/1.1 429 No\r\nreTRY-after: 7\r\nRetry-After: 8\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def script(line: Line) -> None:
        await line.answer(head + b"1\r\nx\r\n0\r\nX-Late: 9\r\n\r\n")

    answer = await http.origin((await serve(script)).url).ask("GET", "/", {}, timeout=30)
    assert answer.header(b"retry-after") == "7"
    assert answer.header(b"x-late") == ""


async def test_what_is_packed_is_not_unpacked(http: HttpSession, serve: Serve) -> None:
    packed = gzip.compress(BODY)

    async def script(line: Line) -> None:
        await line.answer(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed)
        )

    server = await serve(script)
    assert (await http.origin(server.url).ask("GET", "/", {}, timeout=30)).body == packed
    assert b"ncoding" not in server.requests[0]


async def test_a_long_answer_is_read_whole(http: HttpSession, serve: Serve) -> None:
    body = bytes(range(256)) * 20_000

    async def script(line: Line) -> None:
        await line.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    assert (await http.origin((await serve(script)).url).ask("GET", "/", {}, timeout=30)).body == body


class _Nowhere:
    """Takes what is written and notes whether it was closed."""

    closed = False

    def get_extra_info(self, name: str) -> None:
        """There is no socket."""

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.closed = True


async def _read(pieces: list[bytes], *, ends: bool) -> tuple[HttpAnswer, bool]:
    connection = HttpConnection("venue", lambda _: None)
    connection.connection_made(cast("Any", _Nowhere()))
    until = asyncio.get_running_loop().time() + 30
    asking = asyncio.create_task(connection.exchange(b"", until=until, timeout=30))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    if ends:
        connection.eof_received()
    return await asking, connection.ended


@given(st.data())
def test_however_an_answer_is_cut_into_pieces_it_is_the_same(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(ANSWERS)))
    sent, status, body = ANSWERS[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1))))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    ends = name.startswith("until closed")
    answer, ended = asyncio.run(_read(pieces, ends=ends))
    assert (answer.status, answer.body) == (status, body)
    assert ended == (ends or name == "old")


@given(st.data())
def test_a_second_answer_in_whatever_pieces_ends_the_connection_and_not_the_first_answer(data: st.DataObject) -> None:
    sent = WITH_LENGTH + OK
    cut = data.draw(st.integers(1, len(sent) - 1))
    answer, ended = asyncio.run(_read([sent[:cut], sent[cut:]], ends=False))
    assert (answer.status, answer.body) == (200, BODY)
    assert ended
