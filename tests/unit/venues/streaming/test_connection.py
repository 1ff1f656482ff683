"""One WebSocket connection: what comes is decoded strictly, and every way in which it ends is one failure that says nothing."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest

from shared.venues.errors import Unavailable
from shared.venues.factory import HttpSession
from shared.venues.streaming.connection import ABNORMAL, LONGEST_MESSAGE, StreamAddress, StreamEnded, UnreadableMessage
from tests.unit.venues.stream_stub import Peer, StreamStub, stay

TOKEN = "tOkEnOfTheTest"


def address(http: HttpSession, server: StreamStub, *, silence: float = 30.0) -> StreamAddress:
    return StreamAddress(http, server.url + "/v2", connect_timeout=30.0, silence=silence)


async def test_numbers_are_decimals_and_objects_go_out_as_json(http: HttpSession, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await peer.text()
        await peer.send('{"qty":1.5e-05,"id":18266300427528990701,"cost":0.007262}')
        await peer.until_closed()

    server.scripts = [script]
    async with address(http, server).connect() as connection:
        await connection.send({"method": "subscribe", "params": {"token": TOKEN}})
        message = await connection.receive()
    assert message == {"qty": Decimal("0.000015"), "id": 18266300427528990701, "cost": Decimal("0.007262")}
    assert server.peers[0].received == [{"method": "subscribe", "params": {"token": TOKEN}}]
    assert server.requests[0].path == "/v2"


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"a":1,"a":2}', '{"a":NaN}', b"\xff\xfe"])
async def test_a_message_that_cannot_be_read_does_not_end_the_connection(
    http: HttpSession, server: StreamStub, text: str | bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(text, {"next": 1})
        await peer.until_closed()

    server.scripts = [script]
    async with address(http, server).connect() as connection:
        with pytest.raises(UnreadableMessage):
            await connection.receive()
        assert await connection.receive() == {"next": 1}


async def test_a_close_frame_is_named_with_its_code(http: HttpSession, server: StreamStub) -> None:
    server.scripts = [lambda peer: peer.close(1008, "go away\n")]
    async with address(http, server).connect() as connection:
        with pytest.raises(StreamEnded, match=r"^closed with 1008: go away $") as ended:
            await connection.receive()
        assert ended.value.code == 1008
        with pytest.raises(StreamEnded):
            await connection.send({"a": TOKEN})


async def test_a_cut_has_the_code_of_an_abnormal_end(http: HttpSession, server: StreamStub) -> None:
    server.scripts = [lambda peer: peer.cut()]
    async with address(http, server).connect() as connection:
        with pytest.raises(StreamEnded) as ended:
            await connection.receive()
    assert ended.value.code == ABNORMAL


async def test_silence_ends_the_connection(http: HttpSession, server: StreamStub) -> None:
    server.scripts = [stay]
    async with address(http, server, silence=0.2).connect() as connection:
        with pytest.raises(StreamEnded, match=r"nothing came for 0\.2 s"):
            await connection.receive()
        with pytest.raises(StreamEnded):
            await connection.receive()
    await server.peers[0].until_closed()


async def test_a_message_beyond_the_bound_ends_the_connection(http: HttpSession, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"a":"' + "x" * LONGEST_MESSAGE + '"}')
        await peer.until_closed()

    server.scripts = [script]
    async with address(http, server).connect() as connection:
        with pytest.raises(StreamEnded) as ended:
            await connection.receive()
    assert ended.value.code == 1009


@pytest.mark.parametrize(
    ("status", "header", "wait"), [(429, "7", 7.0), (429, "", 0.0), (429, "99999", 600.0), (503, "7", 0.0)]
)
async def test_a_refused_handshake_names_its_status_and_the_wait(
    http: HttpSession, server: StreamStub, status: int, header: str, wait: float
) -> None:
    server.refusals = [(status, header)]
    with pytest.raises(StreamEnded, match=f"could not connect to 127.0.0.1: HTTP {status}") as ended:
        async with address(http, server).connect():
            pass
    assert (ended.value.code, ended.value.retry_after) == (None, wait)


async def test_a_redirect_is_not_followed(http: HttpSession, server: StreamStub) -> None:
    server.refusals = [(302, "")]
    with pytest.raises(StreamEnded, match="HTTP 302"):
        async with address(http, server).connect():
            pass
    assert len(server.requests) == 1


async def test_a_port_that_nothing_listens_on_is_a_failure_to_connect(http: HttpSession, server: StreamStub) -> None:
    refused = StreamAddress(http, "ws://127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"could not connect to 127\.0\.0\.1: ConnectionRefusedError"):
        async with refused.connect():
            pass


async def test_a_server_that_does_not_answer_the_handshake_is_given_up(http: HttpSession) -> None:
    closed = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        while await reader.read():
            pass
        writer.close()
        closed.set()

    mute = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with mute:
        port = mute.sockets[0].getsockname()[1]
        with pytest.raises(StreamEnded, match="TimeoutError"):
            async with StreamAddress(http, f"ws://127.0.0.1:{port}", connect_timeout=0.2).connect():
                pass
        await closed.wait()


async def test_no_log_line_carries_what_was_sent_or_received(
    http: HttpSession, server: StreamStub, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: Peer) -> None:
        await peer.text()
        await peer.send({"token": TOKEN})
        await peer.cut()

    server.scripts = [script]
    with caplog.at_level(logging.DEBUG):
        async with address(http, server).connect() as connection:
            await connection.send({"token": TOKEN})
            await connection.receive()
            with pytest.raises(StreamEnded) as ended:
                await connection.receive()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(ended.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "wss://user:secret@127.0.0.1", "ws://127.0.0.1/?a=b", "ws:/x"])
async def test_other_urls_are_refused(http: HttpSession, url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        async with StreamAddress(http, url).connect():
            pass
