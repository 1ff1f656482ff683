"""Latency: half of it before a request counts, half before its answer is there; each connection keeps its order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.paper_exchange.app import build, latency_of
from services.paper_exchange.asgi import Application
from services.paper_exchange.core.latency import AT_ONCE, Latency, OneWay
from services.paper_exchange.market_file import PaperFile
from services.paper_exchange.sockets import Socket
from shared.config.settings import Settings
from tests.unit.paper_exchange.venue import Client, Venue

BALANCE = "/0/private/Balance"


class Road:
    """A sleep that ends when the test says so: one event per wait, in the order in which the waits began."""

    def __init__(self) -> None:
        self.waits: list[tuple[float, asyncio.Event]] = []
        self.begun = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.waits.append((seconds, asyncio.Event()))
        self.begun.set()
        await self.waits[-1][1].wait()

    async def reach(self, count: int) -> None:
        """Wait until so many waits have begun."""
        while len(self.waits) < count:
            self.begun.clear()
            await self.begun.wait()

    def end(self, number: int) -> None:
        """End a wait."""
        self.waits[number][1].set()


class Wire:
    """An ASGI request of a client and what it got."""

    def __init__(self, application: Application, scope: dict[str, Any], body: bytes = b"") -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self._messages = [{"type": "http.request", "body": body, "more_body": False}]
        self.task = asyncio.create_task(application(scope, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._messages:
            return self._messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> Any:
        """Return the JSON of the answer."""
        return json.loads(b"".join(each.get("body", b"") for each in self.sent))


def application(venue: Venue, latency: Latency) -> Application:
    """Return the application over the venue of a test, with a latency."""
    _, door = build(Settings(shoal_config=Path()), PaperFile.model_validate({"market": {"speed": 0}}), venue.clock)
    door._kraken = venue.front
    door._latency = latency
    return door


def private(application: Application, client: Client, nonce: str) -> Wire:
    """Send a signed request."""
    request = client.request("Balance", {"nonce": nonce})
    headers = [
        (b"api-key", client.name.encode()),
        (b"api-sign", request.signature),
        (b"content-type", request.content_type),
    ]
    scope = {"type": "http", "method": "POST", "path": BALANCE, "query_string": b"", "headers": headers}
    return Wire(application, scope, request.body)


async def test_a_request_counts_when_it_arrives_and_its_answer_comes_later(venue: Venue, alice: Client) -> None:
    road = Road()
    wire = private(application(venue, Latency(40, 40, sleep=road.sleep)), alice, "1")
    await road.reach(1)
    assert venue.journal() == []
    road.end(0)
    await road.reach(2)
    assert [row["verdict"] for row in venue.journal()] == ["ok"]
    assert wire.sent == []
    assert [seconds for seconds, _ in road.waits] == [0.02, 0.02]
    road.end(1)
    await wire.task
    assert wire.answer["error"] == []


async def test_a_request_that_overtakes_another_voids_its_nonce(venue: Venue, alice: Client) -> None:
    road = Road()
    door = application(venue, Latency(30, 80, sleep=road.sleep))
    first = private(door, alice, "1")
    await road.reach(1)
    second = private(door, alice, "2")
    await road.reach(2)
    road.end(1)
    await road.reach(3)
    road.end(0)
    await road.reach(4)
    road.end(2)
    road.end(3)
    await asyncio.gather(first.task, second.task)
    assert (first.answer["error"], second.answer["error"]) == (["EAPI:Invalid nonce"], [])
    assert [row["nonce"] for row in venue.journal()] == [2, 1]


async def test_what_a_client_has_sent_arrives_although_it_has_left(venue: Venue, alice: Client) -> None:
    """The bytes are on their way: a client that hangs up takes nothing back."""
    road = Road()
    door = application(venue, Latency(30, 80, sleep=road.sleep))
    wire = private(door, alice, "1")
    await road.reach(1)
    wire._messages.append({"type": "http.disconnect", "body": b"", "more_body": False})
    road.end(0)
    await road.reach(2)
    assert [row["verdict"] for row in venue.journal()] == ["ok"]
    road.end(1)
    await wire.task


@pytest.mark.parametrize("path", ["/0/public/Time", "/api/v3/brokerage/time"])
async def test_public_requests_of_both_venues_take_their_time(venue: Venue, path: str) -> None:
    road = Road()
    door = application(venue, Latency(40, 40, sleep=road.sleep))
    wire = Wire(door, {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []})
    for number in range(2):
        await road.reach(number + 1)
        road.end(number)
    await wire.task
    assert [seconds for seconds, _ in road.waits] == [0.02, 0.02]
    assert wire.sent[0]["status"] == 200


async def test_the_control_plane_has_no_latency(venue: Venue) -> None:
    road = Road()
    door = application(venue, Latency(40, 40, sleep=road.sleep))
    headers = [(b"host", b"127.0.0.1")]
    wire = Wire(
        door, {"type": "http", "method": "GET", "path": "/paper/clock", "query_string": b"", "headers": headers}
    )
    await wire.task
    assert road.waits == []


def test_the_same_seed_draws_the_same_times_within_the_bounds() -> None:
    one, same, other = (Latency(30, 80, seed) for seed in (1, 1, 2))
    drawn = [one.one_way() for _ in range(200)]
    assert drawn == [same.one_way() for _ in range(200)]
    assert drawn != [other.one_way() for _ in range(200)]
    assert 0.015 <= min(drawn) < 0.02
    assert 0.035 < max(drawn) <= 0.04


def test_without_times_nothing_waits() -> None:
    assert AT_ONCE.off
    assert OneWay(AT_ONCE).arrival() == 0


def test_what_is_sent_later_never_arrives_earlier() -> None:
    now = 100.0
    way = OneWay(Latency(0, 1000, 3), lambda: now)
    arrivals = []
    for _ in range(100):
        arrivals.append(way.arrival())
        now += 0.001
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] > arrivals[0]


class Texts:
    """A stream server that answers each text with itself."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def admit(self, socket: Socket) -> int:
        return 0

    async def serve(self, socket: Socket) -> None:
        while True:
            text = await socket.text()
            self.heard.append(text)
            socket.send(text)
            if text == "bye":
                socket.close()
                return


async def test_the_texts_of_a_stream_take_their_time_and_keep_their_order() -> None:
    road, server, closed = Road(), Texts(), asyncio.Event()
    sent: list[MutableMapping[str, Any]] = []
    incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    socket = Socket({"path": "/v2", "headers": []}, Latency(200_000, 1_000_000, sleep=road.sleep))
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            closed.set()

    async def let_all_arrive(number: int) -> None:
        while True:
            await road.reach(number + 1)
            road.end(number)
            number += 1

    serving = asyncio.create_task(socket.serve(incoming.get, send, server))
    for number in range(2):
        await road.reach(number + 1)
        assert sent == []  # the handshake is on its way
        road.end(number)
    for text in ("one", "two", "bye"):
        incoming.put_nowait({"type": "websocket.receive", "text": text})
    await road.reach(3)
    assert (server.heard, [each["type"] for each in sent]) == ([], ["websocket.accept"])
    road.end(2)
    await road.reach(5)  # the first text has been answered, and the second is still on its way, as is that answer
    assert (server.heard, [each["type"] for each in sent]) == (["one"], ["websocket.accept"])
    arriving = asyncio.create_task(let_all_arrive(3))
    await closed.wait()
    incoming.put_nowait({"type": "websocket.disconnect"})
    await serving
    arriving.cancel()
    assert [each.get("text", each["type"]) for each in sent] == [
        "websocket.accept",
        "one",
        "two",
        "bye",
        "websocket.close",
    ]
    assert all(0 < seconds <= 500 for seconds, _ in road.waits)


def test_the_file_sets_the_latency_and_the_environment_switches_it_off() -> None:
    shipped = PaperFile()
    assert (shipped.latency.min_ms, shipped.latency.max_ms) == (30, 80)
    on, off = Settings(paper_latency="on"), Settings(paper_latency="off")
    assert not latency_of(on, shipped).off
    assert latency_of(off, shipped).off
    assert latency_of(on, PaperFile.model_validate({"latency": {"min_ms": 0, "max_ms": 0}})).off
    with pytest.raises(ValidationError, match=r"min_ms \(90\) must not be above max_ms \(80\)"):
        PaperFile.model_validate({"latency": {"min_ms": 90}})
