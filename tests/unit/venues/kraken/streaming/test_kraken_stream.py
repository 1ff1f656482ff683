"""Kraken's private stream over real sockets: subscriptions, doubts and refusals, with the shapes that the live venue has sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.fault import Faults
from shared.venues.errors import Refusal, Rejected
from shared.venues.factory import HttpSession, RateBudget, Tier, open_kraken, open_public_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.streaming.stream import KrakenStream
from shared.venues.stream import FundsKind, FundsMoved, OrderSeen, StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress
from tests.unit.venues.conftest import KEY, SECRET, now
from tests.unit.venues.kraken.streaming.recorded import ORDER, canceled, filled, first, trade
from tests.unit.venues.kraken_stub import ASSETS, PAIRS, KrakenStub, refusal, result
from tests.unit.venues.stream_reader import KeepingReader
from tests.unit.venues.stream_stub import Peer, StreamStub

TOKEN = "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEbg"
STATUS = {
    "channel": "status",
    "type": "update",
    "data": [{"api_version": "v2", "connection_id": 18266300427528990701, "system": "online", "version": "2.0.10"}],
}
HEARTBEAT = {"channel": "heartbeat"}


def plain(rows: Any) -> Any:
    """Turn amounts into JSON numbers."""
    if isinstance(rows, dict):
        return {name: plain(value) for name, value in rows.items()}
    if isinstance(rows, list | tuple):
        return [plain(each) for each in rows]
    return float(rows) if isinstance(rows, Decimal) else rows


def executions(sequence: int, *rows: Any, kind: str = "update") -> dict[str, Any]:
    return {"channel": "executions", "type": kind, "data": plain(rows), "sequence": sequence}


def balances(sequence: int, *rows: Any, kind: str = "update") -> dict[str, Any]:
    return {"channel": "balances", "type": kind, "data": plain(rows), "sequence": sequence}


def ack(request: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "method": "subscribe",
        "req_id": request["req_id"],
        "result": {
            "channel": request["params"]["channel"],
            "maxratecount": 180,
            "snap_orders": True,
            "snap_trades": True,
            "warnings": ["cancel_reason is deprecated, use reason"],
        },
        "success": True,
        "time_in": "2026-04-11T16:48:20.000000Z",
        "time_out": "2026-04-11T16:48:20.000100Z",
    } | more


def refused(request: dict[str, Any], error: str) -> dict[str, Any]:
    return {"error": error, "method": "subscribe", "req_id": request["req_id"], "success": False}


async def subscribe(peer: Peer, *snapshot: Any, begin: int = 1) -> None:
    """Accept both subscriptions, each with its snapshot; numbers run through both channels."""
    await peer.send(STATUS)
    request = await peer.text()
    await peer.send(ack(request), executions(begin, *snapshot, kind="snapshot"))
    request = await peer.text()
    await peer.send(ack(request), balances(begin + 1, {"asset": "USD", "balance": 1}, kind="snapshot"))


Then = Callable[[Peer], Awaitable[None]]


def script(*messages: Any, snapshot: tuple[Any, ...] = (), then: Then = Peer.until_closed) -> Then:
    """Subscribe, send these and do that."""

    async def follow(peer: Peer) -> None:
        await subscribe(peer, *snapshot)
        await peer.send(*messages)
        await then(peer)

    return follow


@dataclass
class Bench:
    """A stream over a scripted REST side and a scripted WebSocket server; pauses take no time."""

    rest: KrakenStub
    server: StreamStub
    http: HttpSession
    budget: RateBudget = field(default_factory=lambda: RateBudget(Tier.INTERMEDIATE, learns=True))
    reader: KeepingReader = field(default_factory=KeepingReader)
    faults: Faults = field(default_factory=Faults)
    pauses: list[float] = field(default_factory=list)
    permits: int = 0
    silence: float = 30.0
    running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run the stream."""
        public = open_public_kraken(url=self.rest.url, http=self.http, timeout=30, clock=now, faults=self.faults)
        venue = open_kraken(
            url=self.rest.url,
            api_key=KEY,
            api_secret=SECRET,
            nonces=MemoryNonces(),
            http=self.http,
            timeout=30,
            clock=now,
            budget=self.budget,
            public=public,
        )
        address = StreamAddress(self.http, self.server.url + "/v2", silence=self.silence)
        stream = KrakenStream(
            address, venue._lane, public, self.budget, Attempts("kraken test", self.faults, sleep=self._sleep)
        )
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
async def bench(stub: KrakenStub, http: HttpSession) -> AsyncIterator[Bench]:
    for _ in range(10):
        stub.answer("GetWebSocketsToken", result({"token": TOKEN, "expires": 900}))
    server = StreamStub()
    await server.start()
    made = Bench(stub, server, http)
    yield made
    await made.stop()
    await server.stop()


async def test_it_subscribes_to_both_channels_with_a_token_of_the_keys_lane(bench: Bench) -> None:
    bench.server.scripts = [script()]
    bench.start()
    assert await bench.reader.until_heard("resumed") == "connected"
    await asyncio.sleep(0)
    requests = bench.server.peers[0].received
    assert requests[0] == {
        "method": "subscribe",
        "params": {
            "channel": "executions",
            "token": TOKEN,
            "snap_orders": True,
            "snap_trades": True,
            "order_status": True,
        },
        "req_id": 1,
    }
    assert len(bench.rest.sent("GetWebSocketsToken")) == 1
    assert bench.rest.sent("GetWebSocketsToken")[0].form.keys() == {"nonce"}


async def test_an_order_is_told_from_its_first_row_to_its_end(bench: Bench) -> None:
    rows = (
        executions(3, first()),
        HEARTBEAT,
        executions(4, trade(1, "0.002"), trade(2, "0.003")),
        executions(5, filled("0.005", "250")),
    )
    bench.server.scripts = [script(*rows)]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order", 3)
    assert bench.reader.kinds == ["resumed", "order", "order", "order"]
    assert (end.whole, end.order.venue_order_id, end.order.client_order_id) == (True, ORDER, "mine")
    assert end.order.filled.amount == Decimal("0.005")


async def test_numbers_are_read_as_they_are_written(bench: Bench) -> None:
    text = (
        '{"channel":"executions","type":"update","data":[{"cost":0.007262,"exec_id":"TBQGLU-646YF-3L6UC6","exec_type":"trade",'
        '"fee_usd_equiv":0.0,"fees":[{"asset":"USD","qty":1.5e-05}],"last_price":85.16,"last_qty":8.528e-05,"liquidity_ind":"m",'
        f'"order_id":"{ORDER}","order_status":"filled","order_type":"limit","order_userref":0,"side":"sell","symbol":"BTC/USD",'
        '"timestamp":"2026-04-11T16:48:26.620771Z","trade_id":1241209}],"sequence":4}'
    )
    bench.server.scripts = [script(executions(3, first(size="0.00008528")), text)]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order", 2)
    order = end.order
    assert (order.filled.amount, order.cost.amount, order.fee) == (
        Decimal("0.00008528"),
        Decimal("0.007262"),
        Decimal("0.000015"),
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (executions(9, first()), "a gap in executions"),
        (executions(3, first()) | {"sequence": None}, "a gap in executions"),
        ('{"channel":"executions"', "a message of 23 bytes is not a JSON object"),
        (executions(3) | {"data": {}}, "a message of executions cannot be read"),
        (executions(3) | {"type": "news"}, "a message of executions cannot be read"),
        (executions(3, {"order_id": 5}), "a row cannot be read (KeyError)"),
        (executions(3, kind="snapshot"), "another snapshot"),
        (balances(3, {"type": 1}), "a row of balances cannot be read"),
        ({"channel": "notice", "data": []}, "an unknown message: notice"),
        (
            {"method": "subscribe", "req_id": 77, "success": True},
            "an unknown message: an answer to nothing that was asked",
        ),
    ],
)
async def test_a_doubt_leads_to_a_comparison_and_the_stream_goes_on(bench: Bench, message: Any, why: str) -> None:
    released = asyncio.Event()

    async def then(peer: Peer) -> None:
        await released.wait()
        await peer.send(message)
        await peer.until_closed()

    bench.server.scripts = [script(then=then)]
    bench.start()
    await bench.reader.until_heard("resumed")
    released.set()
    await bench.reader.until(lambda reader: any(why in each for each in reader.all("resumed")))
    assert len(bench.server.peers) == 1
    assert "interrupted" not in bench.reader.kinds


async def test_a_row_of_an_order_that_is_not_known_is_unclear(bench: Bench) -> None:
    bench.server.scripts = [script(executions(3, trade(1, "0.002")))]
    bench.start()
    assert await bench.reader.until_heard("unclear") == ORDER


async def test_what_comes_while_the_reader_compares_is_told_afterwards(bench: Bench) -> None:
    bench.reader.gate = asyncio.Event()
    bench.server.scripts = [script(executions(3, first()), executions(4, trade(1, "0.005", order_status="filled")))]
    bench.start()
    await bench.reader.until_heard("comparing")
    await asyncio.sleep(0.05)  # whether or not the rows have come by now, none may be told
    assert bench.reader.kinds == []
    bench.reader.gate.set()
    await bench.reader.until_heard("order", 2)
    assert bench.reader.kinds[0] == "resumed"
    assert bench.reader.all("order")[-1].whole


async def test_nothing_is_told_before_the_first_comparison(bench: Bench) -> None:
    async def follow(peer: Peer) -> None:
        await peer.send(ack(await peer.text()), executions(1, first()), executions(2, trade(1, "0.002")))
        await peer.send(executions(3, first(cum_qty=Decimal("0.002")), trade(1, "0.002"), kind="snapshot"))
        await peer.send(executions(4, trade(2, "0.003", order_status="filled")))
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order")
    assert end.whole
    assert bench.reader.kinds == ["resumed", "order"]


async def test_after_a_cut_it_connects_again_and_knows_the_order_by_the_snapshot(bench: Bench) -> None:
    opened = first(exec_type="new", order_status="partially_filled", cum_qty=Decimal("0.002"), cum_cost=Decimal(100))
    bench.server.scripts = [
        script(executions(3, first()), executions(4, trade(1, "0.002")), then=Peer.cut),
        script(
            executions(3, trade(2, "0.003")),
            executions(4, filled("0.005", "250")),
            snapshot=(opened, trade(1, "0.002")),
        ),
    ]
    bench.start()
    await bench.reader.until(lambda reader: any(each.whole for each in reader.all("order")))
    assert bench.reader.all("interrupted") == ["the connection was cut"]
    assert (bench.permits, len(bench.rest.sent("GetWebSocketsToken"))) == (2, 2)
    end = bench.reader.all("order")[-1].order
    assert (end.filled.amount, end.cost.amount) == (Decimal("0.005"), 250)


async def test_rows_that_were_lost_with_the_connection_are_never_made_up(bench: Bench) -> None:
    bench.server.scripts = [
        script(executions(3, first()), then=Peer.cut),
        script(executions(3, filled("0.005", "250"))),
    ]
    bench.start()
    assert await bench.reader.until_heard("unclear") == ORDER  # the snapshot no longer has it
    assert all(not each.whole for each in bench.reader.all("order"))


@pytest.mark.parametrize("end", ["cut", "close", "silence"])
async def test_every_end_is_told_and_followed_by_a_new_connection(bench: Bench, end: str) -> None:
    async def then(peer: Peer) -> None:
        await {"cut": peer.cut, "close": peer.close, "silence": peer.until_closed}[end]()

    bench.silence = 0.5 if end == "silence" else 30.0
    bench.server.scripts = [script(then=then)]
    bench.start()
    await bench.reader.until_heard("interrupted", 2)
    await bench.reader.until_heard("resumed", 3)
    kinds = [kind for kind, _ in bench.reader.heard if kind in {"resumed", "interrupted"}]
    assert kinds[:4] == ["resumed", "interrupted"] * 2


async def test_the_tier_is_learned_from_the_acknowledgement(bench: Bench) -> None:
    bench.server.scripts = [script()]
    bench.start()
    await bench.reader.until_heard("resumed")
    assert bench.budget._limits == Tier.PRO.value


@pytest.mark.parametrize("error", ["ESession:Invalid session", "EAPI:Invalid token"])
async def test_a_refused_token_is_fetched_anew_once(bench: Bench, error: str) -> None:
    async def follow(peer: Peer) -> None:
        await peer.send(refused(await peer.text(), error))
        await subscribe(peer)
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    await bench.reader.until_heard("resumed")
    assert (len(bench.rest.sent("GetWebSocketsToken")), len(bench.server.peers)) == (2, 1)


async def test_a_token_that_is_refused_again_ends_the_attempt_without_being_shown(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    async def follow(peer: Peer) -> None:
        while True:
            await peer.send(refused(await peer.text(), f"ESession:Invalid session {TOKEN}"))

    bench.server.scripts = [follow, script()]
    bench.start()
    await bench.reader.until_heard("resumed")
    assert len(bench.rest.sent("GetWebSocketsToken")) == 3
    shown = capsys.readouterr().out
    assert "Invalid session [token]" in shown
    assert TOKEN not in shown


async def test_a_key_without_the_right_is_refused_before_anything_connects(bench: Bench) -> None:
    bench.rest._answers["GetWebSocketsToken"].clear()
    bench.rest.answer("GetWebSocketsToken", refusal("EGeneral:Permission denied"))
    bench.start()
    with pytest.raises(StreamRefused, match="WebSocket interface"):
        await bench.ended()
    assert bench.server.requests == []


async def test_a_key_that_is_refused_as_a_whole_ends_the_run(bench: Bench) -> None:
    bench.rest._answers["GetWebSocketsToken"].clear()
    bench.rest.answer("GetWebSocketsToken", refusal("EAPI:Invalid key"))
    bench.start()
    with pytest.raises(Rejected) as told:
        await bench.ended()
    assert told.value.refusal is Refusal.AUTH


@pytest.mark.parametrize("words", ["EGeneral:Unknown method", "EService:Market in maintenance mode"])
async def test_another_refusal_of_the_token_is_tried_again_later(bench: Bench, words: str) -> None:
    answers = bench.rest._answers["GetWebSocketsToken"]
    answers.appendleft(refusal(words))
    bench.server.scripts = [script()]
    bench.start()
    await bench.reader.until_heard("resumed")
    assert len(bench.pauses) == 1


@pytest.mark.parametrize(("error", "raises"), [("EGeneral:Permission denied", True), ("ESubscription:Exceeded", False)])
async def test_a_refused_subscription_of_executions(bench: Bench, error: str, raises: bool) -> None:
    async def follow(peer: Peer) -> None:
        await peer.send(refused(await peer.text(), error))
        await peer.until_closed()

    bench.server.scripts = [follow, script()]
    bench.start()
    if raises:
        with pytest.raises(StreamRefused, match="Permission denied"):
            await bench.ended()
    else:
        await bench.reader.until_heard("resumed")
        assert len(bench.pauses) == 1


async def test_orders_are_told_even_where_balances_are_refused(bench: Bench) -> None:
    async def follow(peer: Peer) -> None:
        await peer.send(ack(await peer.text()), executions(1, kind="snapshot"))
        await peer.send(refused(await peer.text(), "EGeneral:Permission denied"), executions(2, first()))
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    await bench.reader.until_heard("order")
    assert bench.reader.kinds == ["resumed", "order"]


@pytest.mark.parametrize(
    ("row", "moved"),
    [
        ({"type": "deposit"}, FundsMoved("BTC", FundsKind.DEPOSIT, 1_775_926_106_620)),
        ({"type": "withdrawal", "asset": "XBT"}, FundsMoved("BTC", FundsKind.WITHDRAWAL, 1_775_926_106_620)),
        ({"type": "conversion"}, FundsMoved("BTC", FundsKind.OTHER, 1_775_926_106_620)),
        ({"type": "margin"}, FundsMoved("BTC", FundsKind.OTHER, 1_775_926_106_620)),
        ({"type": "a new kind"}, FundsMoved("BTC", FundsKind.OTHER, 1_775_926_106_620)),
        ({"type": "trade"}, None),
        ({"type": "transfer", "amount": 0}, None),
    ],
)
async def test_a_balance_that_no_order_moved_is_told(
    bench: Bench, row: dict[str, Any], moved: FundsMoved | None
) -> None:
    entry = {
        "ledger_id": "LABCDE-ABCDE-ABCDEF",
        "ref_id": "FTABCDE-ABCDE-ABCDEF",
        "timestamp": "2026-04-11T16:48:26.620771Z",
        "asset": "BTC",
        "asset_class": "currency",
        "category": "deposit",
        "wallet_type": "spot",
        "wallet_id": "main",
        "amount": 0.5,
        "fee": 0.0,
        "balance": 1.5,
    } | row
    last = {**entry, "type": "deposit", "asset": "SOL", "amount": 1}
    bench.server.scripts = [script(balances(3, entry), balances(4, last))]
    bench.start()
    await bench.reader.until(lambda reader: any(each.asset == "SOL" for each in reader.all("funds")))
    assert bench.reader.all("funds")[:-1] == ([] if moved is None else [moved])


async def test_an_error_without_a_request_ends_the_connection(bench: Bench) -> None:
    bench.server.scripts = [script({"Error": "Exceeded msg rate"}), script()]
    bench.start()
    assert await bench.reader.until_heard("interrupted") == "Kraken's stream: Exceeded msg rate"


async def test_a_pair_that_was_listed_a_moment_ago_is_fetched(bench: Bench) -> None:
    listed = {**PAIRS, "NEWUSD": {**PAIRS["XDGUSD"], "altname": "NEWUSD", "wsname": "NEW/USD", "base": "NEW"}}
    bench.rest.answer("AssetPairs", result(listed))
    bench.rest.answer("Assets", result({**ASSETS, "NEW": {"altname": "NEW"}}))
    bench.server.scripts = [script(executions(3, first(symbol="NEW/USD")))]
    bench.start()
    seen: OrderSeen = await bench.reader.until_heard("order")
    assert str(seen.order.symbol) == "NEW/USD"


async def test_the_numbers_of_channels_may_run_apart(bench: Bench) -> None:
    async def follow(peer: Peer) -> None:
        await peer.send(ack(await peer.text()), executions(1, kind="snapshot"))
        await peer.send(ack(await peer.text()), balances(1, kind="snapshot"))
        await peer.send(executions(2, first()), executions(3, canceled()))
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    end: OrderSeen = await bench.reader.until_heard("order", 2)
    assert end.whole


async def test_a_snapshot_that_never_comes_does_not_hold_the_stream_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.venues.kraken.streaming.stream._SNAPSHOT_WITHIN", 0.0)

    async def follow(peer: Peer) -> None:
        await peer.send(ack(await peer.text()))
        await asyncio.sleep(0.01)
        await peer.send(HEARTBEAT)
        await peer.until_closed()

    bench.server.scripts = [follow]
    bench.start()
    assert await bench.reader.until_heard("resumed") == "connected; no snapshot came"


async def test_a_subscription_that_is_never_acknowledged_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.venues.kraken.streaming.stream._SUBSCRIBED_WITHIN", 0.0)

    async def follow(peer: Peer) -> None:
        await peer.text()
        await peer.send(HEARTBEAT)
        await peer.until_closed()

    again = asyncio.Event()

    async def note(peer: Peer) -> None:
        again.set()
        await peer.until_closed()

    bench.server.scripts = [follow, note]
    bench.start()
    await again.wait()
    assert bench.reader.heard == []
