"""The paper Kraken's WebSocket over a real socket, with the `websockets` client; orders by krakenex."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from tests.contract.paper_exchange.conftest import BUY, Paper, Start, Trader

Message = dict[str, Any]
PATIENCE = 20.0


class Stream:
    """One connection of a client."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            found: Message = json.loads(await self.socket.recv(), parse_float=Decimal)
        return found

    async def next(self, wanted: Callable[[Message], bool]) -> Message:
        """Return the next message of a kind; what comes before it is dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.receive()
                if wanted(found):
                    return found

    async def until_silent(self, seconds: float) -> list[Message]:
        """Return what comes until nothing has come for so long."""
        heard: list[Message] = []
        while True:
            try:
                async with asyncio.timeout(seconds):
                    heard.append(json.loads(await self.socket.recv()))
            except TimeoutError:
                return heard

    async def of(self, channel: str, kind: str = "update") -> Message:
        return await self.next(lambda message: (message.get("channel"), message.get("type")) == (channel, kind))

    async def subscribe(self, trader: Trader | None = None, **params: Any) -> Message:
        """Subscribe, with a new token where a trader is given; return the acknowledgement."""
        if trader is not None:
            params["token"] = trader.call("GetWebSocketsToken")["result"]["token"]
        await self.send(method="subscribe", params=params)
        return await self.next(lambda message: "method" in message)

    async def row(self, exec_type: str) -> Message:
        """Return the next row of executions of a kind."""
        message = await self.next(lambda each: each.get("channel") == "executions" and _has(each, exec_type))
        found: Message = next(row for row in message["data"] if row["exec_type"] == exec_type)
        return found


def _has(message: Message, exec_type: str) -> bool:
    return any(row["exec_type"] == exec_type for row in message["data"])


@asynccontextmanager
async def streaming(paper: Paper) -> AsyncIterator[Stream]:
    async with connect(paper.url.replace("http", "ws") + "/v2", open_timeout=PATIENCE) as socket:
        yield Stream(socket)


@pytest.fixture
async def stream(paper: Paper) -> AsyncIterator[Stream]:
    async with streaming(paper) as opened:
        yield opened


async def test_the_status_comes_first_and_then_a_heartbeat(stream: Stream) -> None:
    first = await stream.receive()
    assert first["channel"] == "status"
    assert await stream.receive() == {"channel": "heartbeat"}
    await stream.send(method="ping", req_id=5)
    assert (await stream.next(lambda message: message.get("method") == "pong"))["req_id"] == 5
    await asyncio.wait_for(await stream.socket.ping(), PATIENCE)  # a ping of the protocol is answered too


async def test_an_order_placed_by_rest_is_told(paper: Paper, trader: Trader, stream: Stream) -> None:
    assert (await stream.subscribe(trader, channel="executions"))["result"]["maxratecount"] == 180
    assert (await stream.subscribe(trader, channel="balances"))["success"] is True
    txid = trader.call("AddOrder", **BUY, cl_ord_id="by-rest")["result"]["txid"][0]
    placed = await stream.row("pending_new")
    assert (placed["order_id"], placed["cl_ord_id"], placed["order_qty"]) == (txid, "by-rest", Decimal("0.1"))
    trade = await stream.row("trade")
    assert (trade["order_id"], trade["last_price"], trade["fees"]) == (
        txid, Decimal(60006), [{"asset": "USD", "qty": Decimal("24.0024")}],
    )  # fmt: skip
    (shown,) = trader.orders()
    assert trade["exec_id"] == shown["trades"][0]["trade_id"]


async def test_a_fill_of_a_resting_order_is_told_when_the_price_is_set(
    paper: Paper, trader: Trader, stream: Stream
) -> None:
    await stream.subscribe(trader, channel="executions")
    await stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    trader.call("AddOrder", **{**BUY, "ordertype": "limit", "price": "59000"})
    paper.price("58990")
    assert (await stream.row("filled"))["cum_qty"] == Decimal("0.1")
    paper.price("58000")
    assert (await stream.of("ticker"))["data"][0]["last"] in {58990, 58000}


async def test_a_row_can_come_before_the_answer(paper: Paper, trader: Trader, stream: Stream) -> None:
    await stream.subscribe(trader, channel="executions")
    paper.arm("stream_row_before_reply", user=trader.user, count=1, seconds=4)
    placing = asyncio.create_task(asyncio.to_thread(trader.call, "AddOrder", PATIENCE, **BUY))
    await stream.row("filled")
    assert not placing.done()
    assert (await placing)["result"]["txid"]


async def test_open_streams_are_listed_with_user_channels_and_messages(
    paper: Paper, trader: Trader, stream: Stream
) -> None:
    paper_streams = paper.get("streams", user=trader.user)
    assert paper_streams["open"] == []
    await stream.subscribe(trader, channel="executions")
    await stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    (shown,) = paper.get("streams", user=trader.user)["open"]
    assert (shown["venue"], shown["user"], shown["channels"]) == ("kraken", trader.user, ["executions", "ticker"])
    assert shown["api_key"] == trader.account["api_key"]
    assert shown["messages"] >= 4
    assert abs(shown["since"] / 1000 - time.time()) < 60
    async with streaming(paper) as second:
        await second.subscribe(trader, channel="balances")
    connects = {row["api_key"]: row["count"] for row in paper.get("streams")["connects"]}
    assert connects[trader.account["api_key"]] == 2
    deadline = time.monotonic() + PATIENCE
    while len(paper.get("streams", user=trader.user)["open"]) > 1:
        assert time.monotonic() < deadline, "a connection that has ended is still listed"


async def test_a_cut_has_no_close_frame(paper: Paper, trader: Trader, stream: Stream) -> None:
    await stream.subscribe(trader, channel="executions")
    paper.arm("stream_cut", user=trader.user, count=1)
    with pytest.raises(ConnectionClosedError) as ended:
        await stream.row("filled")
    assert ended.value.rcvd is None


async def test_a_close_is_clean(paper: Paper, trader: Trader, stream: Stream) -> None:
    await stream.subscribe(trader, channel="executions")
    paper.arm("stream_close", user=trader.user, count=1)
    with pytest.raises(ConnectionClosedOK):
        await stream.row("filled")


async def test_a_refusal_for_good_has_its_code(paper: Paper, trader: Trader, stream: Stream) -> None:
    paper.arm("stream_refused_1008", user=trader.user, count=1)
    with pytest.raises(ConnectionClosedError) as ended:
        await stream.subscribe(trader, channel="executions")
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1008


async def test_a_silent_connection_still_answers_the_protocols_ping(
    paper: Paper, trader: Trader, stream: Stream
) -> None:
    await stream.subscribe(trader, channel="executions")
    await stream.of("executions", "snapshot")
    paper.arm("stream_silence", user=trader.user, count=1)
    trader.call("AddOrder", **BUY)
    heard = await stream.until_silent(3)  # three heartbeats would come
    assert [message for message in heard if message != {"channel": "heartbeat"}] == []
    await asyncio.wait_for(await stream.socket.ping(), PATIENCE)


async def test_a_connect_is_refused_by_a_fault_and_by_the_limit(start: Start) -> None:
    paper = start()
    paper.arm("stream_connect_429", count=1)
    with pytest.raises(InvalidStatus) as refused:
        async with streaming(paper):
            pass
    assert refused.value.response.status_code == 429
    for _ in range(150):
        async with streaming(paper):
            pass
    with pytest.raises(InvalidStatus):
        async with streaming(paper):
            pass
    assert paper.get("streams")["refused"] == {"kraken": 2}
    free = start("[market]\nspeed = 0\n[limits]\nstreams = false\n")
    for _ in range(152):
        async with streaming(free):
            pass


async def test_no_token_is_logged_or_shown(start: Start) -> None:
    paper = start()
    trader = Trader(paper)
    token = trader.call("GetWebSocketsToken")["result"]["token"]
    async with streaming(paper) as stream:
        await stream.send(method="subscribe", params={"channel": "executions", "token": token})
        await stream.of("executions", "snapshot")
        await stream.send(method="subscribe", params={"channel": "balances", "token": token, "nonsense": token})
        seen = [str(await stream.next(lambda message: message.get("success") is False))]
        seen += [str(paper.get("streams")), str(paper.get("requests"))]
    trader.api.close()
    paper.service.stop()
    seen.append(paper.service.log())
    assert not [text for text in seen if token in text]
