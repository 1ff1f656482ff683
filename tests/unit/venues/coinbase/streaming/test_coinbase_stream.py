"""Coinbase's private stream over real sockets: subscriptions, batches, doubts and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest

from shared.config.keys.coinbase_key import parse_secret
from shared.domain.fault import Faults
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.paper import PaperCoinbaseApi
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.streaming.stream import CoinbaseStream
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey
from shared.venues.errors import Rejected
from shared.venues.factory import HttpSession, open_public_coinbase
from shared.venues.stream import OrderSeen, StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress
from shared.venues.venue_clock import ExactTime
from tests.unit.venues.coinbase.conftest import NAME as KEY, SECRET, TEXT, Recorder, request
from tests.unit.venues.coinbase.streaming.recorded import ORDER, message, row, user
from tests.unit.venues.coinbase_stub import ORDER as LISTED, ORDER_ID, CoinbaseStub, reply, taken
from tests.unit.venues.conftest import now
from tests.unit.venues.stream_reader import KeepingReader
from tests.unit.venues.stream_stub import Peer, StreamStub

REFUSED = {"type": "error", "message": "authentication failure"}
SNAPSHOT = row("OPEN", "0", "0.03")
Then = Callable[[Peer], Awaitable[None]]


def beat(sequence: int, counter: Any) -> dict[str, Any]:
    return message("heartbeats", sequence, {"current_time": "2026-11-22 16:00:00", "heartbeat_counter": counter})


def subscriptions(sequence: int, **channels: list[str]) -> dict[str, Any]:
    return message("subscriptions", sequence, {"subscriptions": channels})


def script(*messages: Any, snapshot: tuple[Any, ...] = (), then: Then = Peer.until_closed) -> Then:
    """Accept both subscriptions with a snapshot (numbers 0 to 3), send these and do that."""

    async def follow(peer: Peer) -> None:
        await peer.text()
        await peer.send(subscriptions(0, heartbeats=["heartbeats"]))
        await peer.text()
        await peer.send(user(1, *snapshot, kind="snapshot"), subscriptions(2, heartbeats=["heartbeats"], user=["me"]))
        await peer.send(beat(3, 0), *messages)
        await then(peer)

    return follow


@dataclass
class Bench:
    """A stream over a scripted REST side and a scripted WebSocket server; pauses take no time."""

    rest: CoinbaseStub
    server: StreamStub
    http: HttpSession
    reader: KeepingReader = field(default_factory=KeepingReader)
    products: OrderProducts = field(default_factory=OrderProducts)
    pauses: list[float] = field(default_factory=list)
    permits: int = 0
    silence: float = 30.0
    kind: type[CoinbaseApi] = CoinbaseApi
    running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run the stream."""
        clock = ExactTime(now)
        public = open_public_coinbase(url=self.rest.url, http=self.http, timeout=30, clock=clock)
        key = SigningKey(KEY, parse_secret(SECRET))
        api = self.kind(url=self.rest.url, http=self.http, timeout=30, clock=clock, key=key)
        address = StreamAddress(self.http, self.server.url, silence=self.silence)
        attempts = Attempts("coinbase test", Faults(), sleep=self._sleep)
        stream = CoinbaseStream(address, api, public, self.products, attempts, clock=clock)
        self.running = asyncio.create_task(stream.run(self.reader, self._permit))

    async def ended(self) -> None:
        """Wait for the end of the run, and raise what it raises."""
        assert self.running is not None
        await self.running

    async def _permit(self) -> None:
        self.permits += 1

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)


@pytest.fixture
async def bench(stub: CoinbaseStub, http: HttpSession) -> AsyncIterator[Bench]:
    server = StreamStub()
    await server.start()
    made = Bench(stub, server, http)
    yield made
    await made.stop()
    await server.stop()


async def test_each_subscription_has_a_token_of_its_own_for_no_address(bench: Bench) -> None:
    bench.server.scripts = [script()]
    bench.start()
    assert await bench.reader.until_heard("resumed") == "connected"
    requests = bench.server.peers[0].received
    assert [{**each, "jwt": ""} for each in requests] == [
        {"type": "subscribe", "channel": "heartbeats", "jwt": ""},
        {"type": "subscribe", "channel": "user", "jwt": ""},
    ]
    heads = [jwt.get_unverified_header(each["jwt"]) for each in requests]
    claims = [jwt.decode(each["jwt"], options={"verify_signature": False}) for each in requests]
    assert heads[0]["nonce"] != heads[1]["nonce"]
    for claim in claims:
        assert claim.keys() == {"sub", "iss", "nbf", "exp"}
        assert (claim["sub"], claim["iss"]) == (KEY, "cdp")
        assert 0 < claim["exp"] - claim["nbf"] <= 120


async def test_an_order_is_told_from_its_first_row_to_its_end(bench: Bench) -> None:
    rows = user(4, row("PENDING", "0", "0.03")), beat(5, 1), user(6, row("FILLED", "0.03", fee="18"))
    bench.server.scripts = [script(*rows)]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order", 2)
    assert (end.whole, end.order.venue_order_id) == (True, ORDER)
    assert bench.reader.kinds == ["resumed", "order", "order"]


async def test_a_snapshot_in_batches_ends_with_the_first_that_is_not_full(bench: Bench) -> None:
    held = asyncio.Event()
    full = [row("OPEN", "0", "0.03", order_id=f"{number:036}") for number in range(50)]

    async def follow(peer: Peer) -> None:
        await peer.text()
        await peer.text()
        await peer.send(
            subscriptions(0, heartbeats=["heartbeats"], user=["me"]), user(1, *full, kind="snapshot"), beat(2, 0)
        )
        await held.wait()
        await peer.send(user(3, SNAPSHOT, kind="snapshot"), user(4, row("FILLED", "0.03", fee="18")))
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    await asyncio.sleep(0.05)  # whether or not the first batch has come by now, nothing may be compared yet
    assert bench.reader.heard == []
    held.set()
    end: OrderSeen = await bench.reader.until_heard("order")
    assert end.whole
    assert bench.reader.kinds[0] == "resumed"


async def test_nothing_is_told_before_the_first_comparison(bench: Bench) -> None:
    async def follow(peer: Peer) -> None:
        await peer.text()
        await peer.text()
        await peer.send(
            user(0, row("PENDING", "0", "0.03")), user(1, kind="snapshot"), user(2, row("FILLED", "0.03", fee="18"))
        )
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order")
    assert end.whole
    assert bench.reader.kinds == ["resumed", "order"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (user(9, SNAPSHOT), "a gap before user"),
        (user(4, SNAPSHOT) | {"sequence_num": "4"}, "a gap before user"),
        (beat(4, 7), "a gap between heartbeats"),
        (beat(4, "7"), "a gap between heartbeats"),
        ("[]", "a message of 2 bytes is not a JSON object"),
        (message("user", 4) | {"events": 1}, "a message of user cannot be read"),
        (message("user", 4, {"type": "news", "orders": []}), "an event of user cannot be read"),
        (message("user", 4, {"type": "update"}), "an event of user cannot be read"),
        (user(4, {"status": 1}), "a row cannot be read"),
        (user(4, kind="snapshot"), "another snapshot"),
        (message("futures", 4), "an unknown message: futures"),
        ({"type": "news"}, "an unknown message: news"),
    ],
)
async def test_a_doubt_leads_to_a_comparison_and_the_stream_goes_on(bench: Bench, text: Any, why: str) -> None:
    released = asyncio.Event()

    async def then(peer: Peer) -> None:
        await released.wait()
        await peer.send(text)
        await peer.until_closed()

    bench.server.scripts = [script(then=then)]
    bench.start()
    await bench.reader.until_heard("resumed")
    released.set()
    await bench.reader.until(lambda reader: any(why in each for each in reader.all("resumed")))
    assert len(bench.server.peers) == 1
    assert "interrupted" not in bench.reader.kinds


async def test_a_message_without_a_client_id_or_a_time_is_read(bench: Bench) -> None:
    bare = user(4, row("PENDING", "0", "0.03"))
    del bare["client_id"], bare["timestamp"]
    bench.server.scripts = [script(bare)]
    bench.start()
    await bench.reader.until_heard("order")


@pytest.mark.parametrize("end", ["cut", "close", "silence"])
async def test_every_end_is_told_and_followed_by_a_new_connection(bench: Bench, end: str) -> None:
    async def then(peer: Peer) -> None:
        await {"cut": peer.cut, "close": peer.close, "silence": peer.until_closed}[end]()

    bench.silence = 0.5 if end == "silence" else 30.0
    bench.server.scripts = [script(then=then)]
    bench.start()
    await bench.reader.until_heard("interrupted", 2)
    await bench.reader.until_heard("resumed", 3)
    assert bench.permits >= 3


async def test_a_refused_token_now_and_then_is_tried_again(bench: Bench) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.text()
        await peer.send(REFUSED)
        await peer.until_closed()

    bench.server.scripts = [refuse, refuse, script()]
    bench.start()
    await bench.reader.until_heard("resumed")
    assert len(bench.server.peers) == 3


async def test_tokens_that_are_refused_again_and_again_end_the_run(bench: Bench) -> None:
    async def refuse(peer: Peer) -> None:
        request = await peer.text()
        await peer.send({**REFUSED, "message": f"authentication failure {request['jwt']}"})
        await peer.until_closed()

    bench.server.scripts = [refuse]
    bench.start()
    with pytest.raises(StreamRefused, match=r"authentication failure \[token\]"):
        await bench.ended()
    assert len(bench.server.peers) == 5


async def test_another_error_ends_the_connection_for_ever_so_often(bench: Bench) -> None:
    bench.server.scripts = [*[script({"type": "error", "message": "rate limit exceeded"})] * 7, script()]
    bench.start()
    await bench.reader.until_heard("resumed", 8)


async def test_paper_keys_sign_nothing_for_what_is_no_paper_exchange(bench: Bench) -> None:
    bench.kind = PaperCoinbaseApi
    bench.server.scripts = [script()]
    bench.start()
    with pytest.raises(Rejected, match="not a paper exchange"):
        await bench.ended()
    assert all(peer.received == [] for peer in bench.server.peers)


async def test_the_account_learns_products_from_its_requests_and_lookups(
    venue: CoinbaseVenue, stub: CoinbaseStub
) -> None:
    stub.answer(ORDER_ID, reply({"order": LISTED}))
    await venue.order(ORDER_ID)
    assert venue._products.of(ORDER_ID, "") == "BTC-USD"
    assert isinstance(venue.private_stream(), CoinbaseStream)


async def test_the_account_learns_products_from_what_it_sends(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder
) -> None:
    stub.answer("orders", taken())
    await venue.place(request(), begin)
    assert venue._products.of("", "mine") == "BTC-USD"


async def test_a_replay_is_known_as_well(venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder) -> None:
    stub.answer("orders", taken())
    await venue.replay(TEXT, begin)
    assert venue._products.of("", "mine") == "BTC-USD"
