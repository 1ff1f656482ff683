"""coinbase-advanced-py's WebSocket clients, unmodified, against the paper Coinbase over a real socket.

Their `base_url` is a parameter: with `ws://` the library leaves TLS out, so nothing is patched. Their asynchronous methods are
used: the others run a loop in a thread, which they stop while its tasks still wait.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from coinbase.rest import RESTClient
from coinbase.websocket import WebsocketResponse, WSClient, WSClientException, WSUserClient

from tests.contract.paper_exchange.coinbase_client import open_account, open_client
from tests.contract.paper_exchange.conftest import FROZEN, Paper, Start, numbers

PATIENCE = 20.0
"""Seconds; nothing here takes more than six."""
Account = tuple[dict[str, str], RESTClient]


class Stream:
    """A client of the library, and the messages that it was called with."""

    def __init__(self, kind: type[WSClient], paper: Paper, made: dict[str, str] | None = None, **options: Any) -> None:
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self.client = kind(
            api_key=made["api_key"] if made else None,
            api_secret=made["api_secret"] if made else None,
            base_url=paper.url.replace("http://", "ws://"),
            on_message=self._messages.put_nowait,
            timeout=10,
            **options,
        )
        self.texts: list[str] = []

    async def wait(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message from now on that is wanted."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    text = await self._messages.get()
                    self.texts.append(text)
                    if wanted(message := json.loads(text)):
                        return message
        except TimeoutError:
            raise AssertionError(self.texts) from None

    async def channel(self, name: str) -> Any:
        return await self.wait(lambda message: message.get("channel") == name)

    async def row(self, order_id: str, status: str) -> Any:
        """Return the row of an order with a status."""
        found: list[Any] = []

        def has_it(message: Any) -> bool:
            found.extend(row for row in rows(message) if (row["order_id"], row["status"]) == (order_id, status))
            return bool(found)

        await self.wait(has_it)
        return found[0]

    async def until_closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.client._is_websocket_open():  # noqa: ASYNC110  # the library has no event for it
                await asyncio.sleep(0.02)


def rows(message: Any) -> list[Any]:
    if message.get("channel") != "user":
        return []
    return [row for event in message["events"] for row in event["orders"]]


def has(content: str, message: Any) -> bool:
    """Return whether a message has a list of this name."""
    return content in message["events"][0]


@asynccontextmanager
async def opened(kind: type[WSClient], paper: Paper, *arguments: Any, **options: Any) -> AsyncIterator[Stream]:
    stream = Stream(kind, paper, *arguments, **options)
    await stream.client.open_async()
    try:
        yield stream
    finally:
        if stream.client._is_websocket_open():
            await stream.client.close_async()


@pytest.fixture(scope="module")
def shared_paper(start: Start) -> Paper:
    """An exchange without rate limits: these tests connect more than eight times a second."""
    return start(FROZEN + "[limits]\nstreams = false\n")


@pytest.fixture(params=["ecdsa", "ed25519"])
def account(paper: Paper, request: pytest.FixtureRequest) -> Account:
    return open_account(paper, f"streamed{next(numbers)}", key_type=request.param, tier="unlimited")


def place(client: RESTClient, client_id: str, limit: str = "") -> str:
    """Place an order: at the market, or at a limit where it rests."""
    answer = (
        client.limit_order_gtc_buy(client_id, "BTC-USD", "0.1", limit)
        if limit
        else client.market_order_buy(client_id, "BTC-USD", base_size="0.1")
    ).success_response
    assert answer is not None
    order_id: str = answer["order_id"]
    return order_id


async def test_the_user_client_follows_orders(paper: Paper, account: Account) -> None:
    made, rest = account
    waiting = place(rest, "waits", "59000")

    async with opened(WSUserClient, paper, made) as stream:
        await stream.client.heartbeats_async()
        await stream.client.user_async(product_ids=["BTC-USD"])
        snapshot = await stream.channel("user")
        assert snapshot["events"][0]["type"] == "snapshot"
        assert [row["client_order_id"] for row in rows(snapshot)] == ["waits"]
        ack = await stream.channel("subscriptions")
        assert set(ack["events"][0]["subscriptions"]) == {"heartbeats", "user"}

        bought = place(rest, "buys")
        row = await stream.row(bought, "FILLED")
        shown = rest.get_order(bought).to_dict()["order"]
        same = {"cumulative_quantity": "filled_size", "filled_value": "filled_value", "total_fees": "total_fees"}
        assert {name: row[name] for name in same} == {name: shown[other] for name, other in same.items()}
        rest.cancel_orders([waiting])
        assert (await stream.row(waiting, "CANCELLED"))["cancel_reason"] == "User requested cancel"

        beats = [(await stream.channel("heartbeats"))["events"][0]["heartbeat_counter"] for _ in range(2)]
        assert beats[1] == beats[0] + 1
        typed = [WebsocketResponse(json.loads(text)) for text in stream.texts]
        orders = [order for each in typed if each.channel == "user" for event in each.events for order in event.orders]
        assert {order.client_order_id for order in orders} == {"waits", "buys"}
        assert [each.sequence_num for each in typed] == list(range(len(typed)))
        await stream.client.unsubscribe_all_async()
        ack = await stream.channel("subscriptions")
        assert ack["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"]}}]


async def test_the_market_client_reads_the_public_channels(paper: Paper) -> None:
    async with opened(WSClient, paper) as stream:
        client = stream.client
        for subscribe, content in (
            (client.ticker_async, "tickers"), (client.ticker_batch_async, "tickers"),
            (client.candles_async, "candles"), (client.status_async, "products"),
        ):  # fmt: skip
            await subscribe(product_ids=["BTC-USD"])
            snapshot = await stream.wait(partial(has, content))
            first = getattr(WebsocketResponse(snapshot).events[0], content)[0]
            assert (first.id if content == "products" else first.product_id) == "BTC-USD"
        paper.price("61000")
        moved = await stream.channel("ticker")
        ticker = WebsocketResponse(moved).events[0].tickers[0]
        assert (ticker.price, ticker.best_bid, ticker.best_ask) == ("61000", "60993.9", "61006.1")
        book = open_client(paper).get_public_product_book("BTC-USD", limit=1).pricebook
        assert (book.bids[0].price, book.bids[0].size) == (ticker.best_bid, ticker.best_bid_quantity)


async def test_a_wrong_key_gets_an_error_and_no_data(paper: Paper, account: Account) -> None:
    made, rest = account
    stranger, _ = open_account(paper, f"stranger{next(numbers)}")

    wrong = {"api_key": made["api_key"], "api_secret": stranger["api_secret"]}
    async with opened(WSUserClient, paper, wrong) as stream:
        await stream.client.user_async(product_ids=["BTC-USD"])
        error = await stream.wait(lambda _: True)
        assert error == {"type": "error", "message": "authentication failure"}
        place(rest, "unseen")
        await stream.client.heartbeats_async()
        await stream.wait(lambda message: message == error)
        assert len(stream.texts) == 2
        assert stream.client._is_websocket_open()


async def test_the_library_comes_back_after_a_cut(paper: Paper, account: Account) -> None:
    made, rest = account

    async with opened(WSUserClient, paper, made) as stream:
        await stream.client.user_async(product_ids=["BTC-USD"])
        await stream.channel("subscriptions")
        paper.arm("stream_cut", user=made["user"], count=1)
        place(rest, "missed", "59000")
        snapshot = await stream.channel("user")
        assert (snapshot["events"][0]["type"], snapshot["sequence_num"]) == ("snapshot", 0)
        assert [row["client_order_id"] for row in rows(snapshot)] == ["missed"]


async def test_a_clean_close_ends_the_library_silently(paper: Paper, account: Account) -> None:
    made, rest = account

    async with opened(WSUserClient, paper, made) as stream:
        await stream.client.user_async(product_ids=["BTC-USD"])
        await stream.channel("subscriptions")
        paper.arm("stream_close", user=made["user"], count=1)
        place(rest, "closes")
        await stream.until_closed()
        assert stream.client.websocket.close_code == 1000
        stream.client.raise_background_exception()


async def test_a_second_connection_of_a_user_closes_the_first(paper: Paper, account: Account) -> None:
    made, _ = account

    async with opened(WSUserClient, paper, made) as first, opened(WSUserClient, paper, made) as second:
        for stream in (first, second):
            await stream.client.user_async(product_ids=["BTC-USD"])
            await stream.channel("subscriptions")
        await first.until_closed()
        assert second.client._is_websocket_open()


async def test_a_client_that_says_nothing_is_cut(paper: Paper) -> None:
    async with opened(WSClient, paper, retry=False) as stream:
        await stream.until_closed()
        assert stream.client.websocket.close_code == 1006, "without a close frame"


async def test_a_refused_handshake_is_an_error_of_the_library(paper: Paper) -> None:
    paper.arm("stream_connect_429", count=1)
    with pytest.raises(WSClientException):
        await Stream(WSClient, paper).client.open_async()
    async with opened(WSClient, paper):
        pass


def test_an_address_may_connect_eight_times_a_second(start: Start) -> None:
    paper = start(FROZEN)

    async def attempt() -> bool:
        stream = Stream(WSClient, paper)
        try:
            await stream.client.open_async()
        except WSClientException:
            return False
        await stream.client.close_async()
        return True

    async def scenario() -> int:
        return sum([await each for each in [asyncio.create_task(attempt()) for _ in range(100)]])

    assert 8 <= asyncio.run(scenario()) < 100
