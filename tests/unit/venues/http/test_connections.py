"""Which connection a request takes: kept ones are used again, the last one first, and one in doubt never."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time

import pytest

from shared.venues.factory import HttpSession
from shared.venues.http import session as client
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import OK, Line, always_ok, first, until


async def _closed(line: Line) -> None:
    async with asyncio.timeout(10):
        await line.closed.wait()


async def test_one_connection_serves_many_requests(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    origin = http.origin(server.url)
    for _ in range(5):
        assert (await origin.ask("POST", "/", {}, b"a=1", timeout=30)).body == b"ok"
    assert (len(server.requests), len(server.lines)) == (5, 1)


async def test_everyone_who_asks_for_an_origin_has_connections_of_their_own(http: HttpSession, serve: Serve) -> None:
    """Case S9: what repeats an answer on one account's connection cannot hand it to another account."""
    server = await serve(always_ok)
    accounts = [http.origin(server.url) for _ in range(3)]
    for _ in range(2):
        for origin in accounts:
            assert (await origin.ask("POST", "/", {}, b"a=1", timeout=30)).body == b"ok"
    assert (len(server.requests), len(server.lines)) == (6, 3)
    assert len({id(connection) for origin in accounts for connection in origin._all}) == 3
    assert len({id(origin._dialer) for origin in accounts}) == 1  # a name is looked up once for all of them


async def test_what_came_and_was_not_read_yet_keeps_a_request_from_being_sent(http: HttpSession) -> None:
    """Case S9: the loop is busy while the answer is repeated, and then a request is to be sent at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        rude = threading.Thread(target=_repeat_the_first_answer, args=(listening,), daemon=True)
        rude.start()
        origin = http.origin(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert (await origin.ask("GET", "/", {}, timeout=30)).body == b"first"
        time.sleep(0.3)  # noqa: ASYNC251  # the loop is busy: that is the point
        assert (await origin.ask("GET", "/", {}, timeout=30)).body == b"other"
        rude.join(10)


def _repeat_the_first_answer(listening: socket.socket) -> None:
    first_link, _ = listening.accept()
    with first_link:
        first_link.recv(65536)
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
        first_link.sendall(answer)
        time.sleep(0.1)
        first_link.sendall(answer)
        other_link, _ = listening.accept()
        with other_link:
            other_link.recv(65536)
            other_link.sendall(answer.replace(b"first", b"other"))


async def test_an_origin_that_nobody_holds_any_more_is_forgotten(http: HttpSession) -> None:
    http.origin("http://localhost")
    gc.collect()
    assert len(http._origins) == 0


async def test_requests_at_once_take_a_connection_each_and_the_last_used_is_used_first(
    http: HttpSession, serve: Serve
) -> None:
    gate = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        if line.number == 1:
            await gate.wait()
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % line.number)
        await always_ok(line)

    server = await serve(script)
    origin = http.origin(server.url)
    asking = [asyncio.create_task(origin.ask("GET", "/", {}, timeout=30)) for _ in range(2)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    assert {(await each).body for each in asking} == {b"0", b"1"}
    assert len(server.lines) == 2
    assert list(origin._idle)[-1] is origin._kept()


async def test_a_connection_that_the_server_closed_meanwhile_is_left_for_another(
    http: HttpSession, serve: Serve
) -> None:
    async def once(line: Line) -> None:
        await line.answer(OK)

    server = await serve(once)
    origin = http.origin(server.url)
    for _ in range(3):
        assert (await origin.ask("POST", "/", {}, b"a=1", timeout=30)).status == 200
        await asyncio.sleep(0.02)
    assert (len(server.requests), len(server.lines)) == (3, 3)


async def test_a_connection_that_has_ended_but_is_not_lost_yet_is_left_for_another(
    http: HttpSession, serve: Serve
) -> None:
    server = await serve(always_ok)
    origin = http.origin(server.url)
    await origin.ask("GET", "/", {}, timeout=30)
    [connection] = origin._idle
    connection.eof_received()
    assert (await origin.ask("POST", "/", {}, b"a=1", timeout=30)).status == 200
    assert len(server.lines) == 2


async def test_the_time_out_of_a_request_is_over_with_its_answer(http: HttpSession, serve: Serve) -> None:
    async def script(line: Line) -> None:
        await line.answer(OK)
        await line.request()
        await asyncio.sleep(5.2)
        await line.send(OK)

    origin = http.origin((await serve(script)).url)
    await origin.ask("GET", "/", {}, timeout=5)
    assert (await origin.ask("GET", "/", {}, timeout=30)).status == 200


async def test_a_connection_that_is_told_to_close_is_not_used_again(http: HttpSession, serve: Serve) -> None:
    async def script(line: Line) -> None:
        await line.answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await line.until_closed()

    server = await serve(script)
    origin = http.origin(server.url)
    for _ in range(2):
        await origin.ask("GET", "/", {}, timeout=30)
    assert len(server.lines) == 2


@pytest.mark.parametrize(
    "extra", [OK, b"zzz", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["an answer", "garbage", "a hint"]
)
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
async def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again(
    http: HttpSession, serve: Serve, extra: bytes, later: bool
) -> None:
    mine = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"

    async def rude(line: Line) -> None:
        await line.request()
        await line.send(*((mine, extra) if later else (mine + extra,)), pause=0.01)
        await line.until_closed()

    async def polite(line: Line) -> None:
        await line.answer(mine)

    server = await serve(first(rude, polite))
    origin = http.origin(server.url)
    assert (await origin.ask("GET", "/", {}, timeout=30)).body == b"mine"
    await _closed(server.lines[0])
    assert (await origin.ask("GET", "/", {}, timeout=30)).body == b"mine"
    assert len(server.lines) == 2


async def test_a_cancelled_request_ends_its_connection_and_the_next_gets_its_own_answer(
    http: HttpSession, serve: Serve
) -> None:
    async def late(line: Line) -> None:
        await line.request()
        await line.until_closed()

    server = await serve(first(late, always_ok))
    origin = http.origin(server.url)
    asking = asyncio.create_task(origin.ask("POST", "/", {}, b"a=1", timeout=30))
    await server.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await origin.ask("POST", "/", {}, b"a=2", timeout=30)).body == b"ok"
    await _closed(server.lines[0])
    assert [request[-3:] for request in server.requests] == [b"a=1", b"a=2"]


async def test_a_request_that_is_cancelled_as_its_answer_comes_ends_its_connection(
    http: HttpSession, serve: Serve
) -> None:
    server = await serve(always_ok)
    origin = http.origin(server.url)
    await origin.ask("GET", "/", {}, timeout=30)
    [connection] = origin._idle
    asking = asyncio.create_task(origin.ask("GET", "/", {}, timeout=30))
    await asyncio.sleep(0)
    connection.data_received(OK)
    asking.cancel()  # the answer is there, and nobody has taken it yet
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert connection.ended


async def test_a_connection_that_nobody_uses_is_dropped(
    http: HttpSession, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "KEEP_ALIVE", 0.15)
    gate = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await gate.wait()
        await line.send(OK)
        await line.until_closed() if line.number else await always_ok(line)

    server = await serve(script)
    origin = http.origin(server.url)
    asking = [asyncio.create_task(origin.ask("GET", "/", {}, timeout=30)) for _ in range(2)]
    await until(lambda: len(server.requests) == 2)
    gate.set()
    await asyncio.gather(*asking)
    await until(lambda: not origin._all)  # each of them in its time
    assert origin._sweep is None
    await origin.ask("GET", "/", {}, timeout=30)
    assert len(server.lines) == 3


async def test_small_requests_do_not_wait_for_one_another(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    origin = http.origin(server.url)
    await origin.ask("GET", "/", {}, timeout=30)
    [connection] = origin._idle
    link = connection._transport.get_extra_info("socket")
    assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
