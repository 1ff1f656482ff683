"""What a WebSocket connection of the exchange does with texts and endings, without a network."""

from __future__ import annotations

import asyncio
from typing import Any

from services.paper_exchange.sockets import LONGEST_QUEUE, Socket, StreamServer
from services.paper_exchange.wire import TRANSPORT, Message


class Transport:
    aborted = 0

    def abort(self) -> None:
        self.aborted += 1


class Echo:
    """Sends three texts and closes; `status` refuses a connection."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.ended = False

    def admit(self, socket: Socket) -> int:
        return self.status

    async def serve(self, socket: Socket) -> None:
        try:
            for number in range(3):
                socket.send(f"{number} to {socket.client}")
            socket.send(await socket.text())
            socket.close(1000, "enough")
        finally:
            self.ended = True


def _socket() -> tuple[Socket, Transport]:
    transport = Transport()
    scope = {"path": "/v2", "headers": [(b"host", b"ws.example")], "client": ("192.0.2.1", 5)}
    return Socket({**scope, "extensions": {TRANSPORT: transport}}), transport


async def _run(socket: Socket, streams: StreamServer, *incoming: Message) -> list[Any]:
    """Run a connection on which these messages come in, and then none."""
    waiting: asyncio.Queue[Message] = asyncio.Queue()
    for message in ({"type": "websocket.connect"}, *incoming):
        waiting.put_nowait(message)
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            waiting.put_nowait({"type": "websocket.disconnect"})

    async with asyncio.timeout(20):
        await socket.serve(waiting.get, send, streams)
    return sent


async def test_texts_leave_in_order_and_before_the_close() -> None:
    socket, _ = _socket()
    sent = await _run(socket, Echo(), {"type": "websocket.receive", "text": "hello"})
    assert [message.get("text") for message in sent[1:-1]] == [
        "0 to 192.0.2.1", "1 to 192.0.2.1", "2 to 192.0.2.1", "hello",
    ]  # fmt: skip
    assert sent[-1] == {"type": "websocket.close", "code": 1000, "reason": "enough"}
    socket.send("too late")


async def test_a_refused_connection_is_an_answer_of_http() -> None:
    socket, _ = _socket()
    sent = await _run(socket, Echo(429))
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 429


async def test_a_client_that_leaves_ends_its_handler() -> None:
    socket, transport = _socket()
    streams = Echo()
    await _run(socket, streams, {"type": "websocket.disconnect"})
    assert (streams.ended, socket.ended.is_set(), transport.aborted) == (True, True, 0)


def test_a_client_that_does_not_read_is_cut() -> None:
    socket, transport = _socket()
    for _ in range(LONGEST_QUEUE):
        socket.send("x")
    assert (transport.aborted, socket.ended.is_set()) == (0, False)
    socket.send("one too many")
    socket.send("after the end")
    assert (transport.aborted, socket.ended.is_set()) == (1, True)
