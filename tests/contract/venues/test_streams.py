"""S1 to S9: both adapters' private streams against the paper exchange, with every fault of streams.

The reader here does what a real one does: it compares by REST when it is told to, and asks REST for what is unclear or has ended
without proof. Whatever the stream does, it ends with the venue's truth, has heard nothing that is not, and what was proven by the
stream alone was right.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from shared.domain.fault import Faults
from shared.domain.order import Side
from shared.domain.values.symbol import Symbol
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.streaming.stream import CoinbaseStream
from shared.venues.coinbase.transport import request_text
from shared.venues.errors import Refusal, Rejected
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.kraken.streaming.stream import KrakenStream
from shared.venues.port import Venue, VenueOrder, VenueOrderStatus
from shared.venues.stream import FundsKind, FundsMoved, OrderSeen, PrivateStream, StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress
from tests.contract.venues.benches import (
    BTC,
    PRICE,
    CoinbaseBench,
    KrakenBench,
    coinbase_bench,
    kraken_bench,
    now,
    paper_exchange,
    request,
)

State = tuple[Symbol, str, Side, Decimal, Decimal, Decimal]
SILENCE = 3.0  # seconds; the paper exchange has a heartbeat a second
CHANNELS = {"kraken": "executions", "coinbase": "user"}


def state(order: VenueOrder) -> State:
    """Return what an order's record would be made of."""
    return order.symbol, order.client_order_id, order.side, order.filled.amount, order.cost.amount, order.fee


@dataclass
class Mirror:
    """A reader that keeps what it knows of each order that has ended, and where it knows it from."""

    venue: Venue
    since: int
    ended: dict[str, State] = field(default_factory=dict)
    by_stream: dict[str, State] = field(default_factory=dict)
    asked: int = 0
    comparisons: list[str] = field(default_factory=list)
    interruptions: list[str] = field(default_factory=list)
    moved: list[FundsMoved] = field(default_factory=list)
    highest: dict[str, Decimal] = field(default_factory=dict)
    """The most that was heard to have filled, by order."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def resumed(self, why: str) -> None:
        """Compare by REST."""
        for order in await self.venue.closed_orders(since=self.since):
            self._end(order)
        self.comparisons.append(why)
        self._changed.set()

    def order_seen(self, seen: OrderSeen) -> None:
        """Keep what is whole; ask for what has ended and is not."""
        order = seen.order
        self.highest[order.venue_order_id] = max(
            self.highest.get(order.venue_order_id, Decimal(0)), order.filled.amount
        )
        if order.status is not VenueOrderStatus.DONE:
            return
        if seen.whole:
            self.by_stream[order.venue_order_id] = state(order)
            self._end(order)
        else:
            self._ask(order.venue_order_id)

    def unclear(self, venue_order_id: str, why: str) -> None:
        """Ask for it."""
        del why
        self._ask(venue_order_id)

    def funds_moved(self, moved: FundsMoved) -> None:
        """Keep it."""
        self.moved.append(moved)
        self._changed.set()

    def interrupted(self, why: str) -> None:
        """Keep it."""
        self.interruptions.append(why)
        self._changed.set()

    async def until(self, fits: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not fits():
            self._changed.clear()
            await self._changed.wait()

    async def until_ended(self, *orders: str) -> None:
        """Wait until these orders are known to have ended."""
        await self.until(lambda: self.ended.keys() >= set(orders))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, order: VenueOrder) -> None:
        known = self.ended.setdefault(order.venue_order_id, state(order))
        assert known == state(order), "an order that has ended has become another one"
        self._changed.set()

    def _ask(self, venue_order_id: str) -> None:
        self.asked += 1
        task = asyncio.create_task(self._ask_until_ended(venue_order_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_until_ended(self, venue_order_id: str) -> None:
        for _ in range(50):
            try:
                order = await self.venue.order(venue_order_id)
            except Rejected as refused:
                if refused.refusal is not Refusal.GONE:  # a fresh one may not be shown yet
                    raise
            else:
                if order.status is VenueOrderStatus.DONE:
                    self._end(order)
                    return
            await asyncio.sleep(0.1)


@dataclass
class StreamBench:
    """An account of the paper exchange, its stream, and a reader that hears it."""

    name: str
    bench: KrakenBench | CoinbaseBench
    reader: Mirror
    permits: int = 0
    running: asyncio.Task[None] | None = None
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        """Run the stream, with short pauses and little patience with silence."""
        self.running = asyncio.create_task(self._stream().run(self.reader, self._permit))

    async def trade(self, size: str = "5", side: Side = Side.BUY, limit: str | None = None) -> str:
        """Place an order as this account's adapter does, and return the venue's id. Five coins are filled in several pieces."""
        order = request(f"00000000-0000-4000-8000-{next(self.numbers):012}", side, size, limit)
        return (await self.bench.venue.place(order, self.bench.nonces.begin)).venue_order_id

    async def cancel(self, order: str) -> None:
        """Cancel an order as another program does."""
        if isinstance(self.bench, KrakenBench):
            reply = await self.bench.api.private("CancelOrder", {"txid": order}, await self.bench.nonces.next())
            assert reply.texts == ()
        else:
            answer = await self.bench.api.send("/orders/batch_cancel", request_text({"order_ids": [order]}))
            assert answer.status == 200

    async def fault(self, fault: str, *, channel: str = "", count: int = 1, **options: float) -> None:
        """Arm a fault of streams, or of orders, for this account."""
        where = {"method": channel or CHANNELS[self.name]} if channel != "-" else {}
        await self.bench.paper.fault(fault, user=self.bench.user, count=count, **where, **options)

    async def fired(self, fault: str) -> int:
        """Return how often a fault has struck."""
        return sum(row["fired"] for row in await self.bench.paper.get("faults") if row["fault"] == fault)

    async def check(self, *orders: str) -> None:
        """Wait for the end of these orders, and compare everything that was heard with the venue's record."""
        await self.reader.until_ended(*orders)
        for each in orders:
            truth = state(await self.bench.venue.order(each))
            assert self.reader.ended[each] == truth
            assert self.reader.by_stream.get(each, truth) == truth
            assert self.reader.highest.get(each, Decimal(0)) <= truth[3]
        assert self.reader.ended.keys() == {*orders}

    async def _permit(self) -> None:
        self.permits += 1

    def _stream(self) -> PrivateStream:
        venue, paper = self.bench.venue, self.bench.paper
        attempts = Attempts("contract", Faults(), sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)))
        url = paper.url.replace("http://", "ws://")
        if isinstance(venue, KrakenVenue):
            address = StreamAddress(paper.http, url + "/v2", silence=SILENCE)
            return KrakenStream(address, venue._lane, venue._public, venue._budget, attempts)
        assert isinstance(venue, CoinbaseVenue)
        address = StreamAddress(paper.http, url + "/", silence=SILENCE)
        api = venue._questions._api
        return CoinbaseStream(address, api, venue._public, venue._products, attempts, clock=venue._clock)


@pytest.fixture(params=["kraken", "coinbase"])
async def streaming(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StreamBench]:
    async with paper_exchange(tmp_path) as running:
        open_bench = kraken_bench if request.param == "kraken" else coinbase_bench
        made = await open_bench(running, balances={"USD": "10000000", "BTC": "50"})
        bench = StreamBench(request.param, made, Mirror(made.venue, now() - 60_000))
        yield bench
        if bench.running is not None:
            bench.running.cancel()
            await asyncio.gather(bench.running, return_exceptions=True)
        await bench.reader.close()


@pytest.fixture
async def open_stream(streaming: StreamBench) -> StreamBench:
    streaming.start()
    await streaming.reader.until(lambda: bool(streaming.reader.comparisons))
    return streaming


async def test_s1_orders_of_our_own_are_whole_by_the_stream_alone(open_stream: StreamBench) -> None:
    orders = [await open_stream.trade(), await open_stream.trade(side=Side.SELL)]
    await open_stream.check(*orders)
    assert open_stream.reader.by_stream.keys() == {*orders}
    assert (open_stream.reader.asked, open_stream.reader.comparisons) == (0, ["connected"])


async def test_s2_an_order_of_another_program_is_seen_to_its_end(open_stream: StreamBench) -> None:
    client_id = "00000000-0000-4000-9000-000000000001"
    resting = await open_stream.bench.rest_elsewhere(client_id)
    await open_stream.bench.set_price(Decimal(9_000))
    await open_stream.check(resting)
    assert open_stream.reader.ended[resting][:4] == (BTC, client_id, Side.BUY, Decimal("0.01"))


async def test_s3_what_happened_before_the_stream_was_open_is_found_by_the_comparison(streaming: StreamBench) -> None:
    before = await streaming.trade()
    resting = await streaming.bench.rest_elsewhere("00000000-0000-4000-9000-000000000001")
    streaming.start()
    await streaming.reader.until_ended(before)
    await streaming.bench.set_price(Decimal(9_000))
    await streaming.check(before, resting)


Drill = Callable[[StreamBench], Awaitable[None]]
FAULTS = [
    "stream_cut",
    "stream_close",
    "stream_gap",
    "stream_repeat",
    "stream_reorder",
    "stream_trade_partially_filled",
    "stream_trade_without_client_id",
    "stream_two_fills_in_one_row",
    "stream_without_client_id",
]
OF_ONE_VENUE = {
    "stream_trade_partially_filled": "kraken",
    "stream_trade_without_client_id": "kraken",
    "stream_two_fills_in_one_row": "coinbase",
    "stream_without_client_id": "coinbase",
}
CASES = [
    (venue, fault, place)
    for venue in CHANNELS
    for fault in FAULTS
    for place in range(3)
    if OF_ONE_VENUE.get(fault, venue) == venue
]


@pytest.mark.parametrize(("streaming", "fault", "place"), CASES, indirect=["streaming"])
async def test_s4_a_fault_at_any_message_changes_nothing_of_the_truth(
    open_stream: StreamBench, fault: str, place: int
) -> None:
    """The fault strikes the first, the second or the third message of an order; two more orders follow."""
    orders = []
    if place:
        # A limit below the price rests: its first rows pass, and the fault meets what comes when the price falls to it.
        orders.append(await open_stream.bench.rest_elsewhere("00000000-0000-4000-9000-000000000001"))
    await open_stream.fault(fault)
    if place == 2:
        await open_stream.bench.set_price(Decimal(9_000))
        await open_stream.bench.set_price(PRICE)
    orders += [await open_stream.trade(), await open_stream.trade(side=Side.SELL)]
    if place == 1:
        await open_stream.bench.set_price(Decimal(9_000))
    await open_stream.check(*orders)
    assert await open_stream.fired(fault) == 1


async def test_s5_silence_ends_in_a_comparison(open_stream: StreamBench) -> None:
    await open_stream.fault("stream_silence", seconds=3600)
    order = await open_stream.trade()
    await open_stream.reader.until(lambda: bool(open_stream.reader.interruptions))
    assert open_stream.reader.interruptions == [f"nothing came for {SILENCE:g} s"]
    await open_stream.check(order)


async def test_s6_rows_may_come_before_the_answer_to_their_order_or_late(open_stream: StreamBench) -> None:
    await open_stream.fault("stream_row_before_reply", channel="-")
    placing = asyncio.create_task(open_stream.trade())
    await open_stream.reader.until(lambda: len(open_stream.reader.ended) == 1)
    first = await placing
    await open_stream.fault("stream_lag", count=2)
    await open_stream.check(first, await open_stream.trade())


@pytest.mark.parametrize("fault", ["stream_token_refused", "stream_connect_429", "stream_snapshot_in_batches"])
async def test_s7_what_is_refused_or_divided_at_the_start_is_overcome(streaming: StreamBench, fault: str) -> None:
    if fault == "stream_connect_429":
        await streaming.bench.paper.fault(fault, count=1)
    else:
        await streaming.fault(fault)
    streaming.start()
    await streaming.reader.until(lambda: bool(streaming.reader.comparisons))
    await streaming.check(await streaming.trade())


async def test_s8_a_key_without_the_right_is_polled(tmp_path: Path) -> None:
    async with paper_exchange(tmp_path) as paper:
        rights = ["query-funds", "query-open-orders", "query-closed-orders", "modify-orders"]
        made = await kraken_bench(paper, permissions=rights)
        bench = StreamBench("kraken", made, Mirror(made.venue, now()))
        with pytest.raises(StreamRefused):
            await bench._stream().run(bench.reader, bench._permit)
        assert (await paper.get("streams"))["open"] == []


@pytest.mark.parametrize("streaming", ["kraken"], indirect=True)  # Coinbase tells no deposits
async def test_s9_a_deposit_is_no_order(open_stream: StreamBench) -> None:
    await open_stream.bench.paper.post(
        "deposit", user=open_stream.bench.user, venue="kraken", asset="BTC", amount="0.25"
    )
    await open_stream.reader.until(lambda: bool(open_stream.reader.moved))
    (moved,) = open_stream.reader.moved
    assert (moved.asset, moved.kind) == ("BTC", FundsKind.DEPOSIT)
    await open_stream.check()


async def test_s10_the_venues_own_stream_is_where_its_rest_side_is(streaming: StreamBench) -> None:
    stream = streaming.bench.venue.private_stream()
    assert stream is not None
    streaming.running = asyncio.create_task(stream.run(streaming.reader, streaming._permit))
    await streaming.reader.until(lambda: bool(streaming.reader.comparisons))
    await streaming.check(await streaming.trade())


async def test_s11_an_order_whose_only_row_is_lost_is_found_when_the_next_message_shows_the_gap(
    open_stream: StreamBench,
) -> None:
    resting = await open_stream.bench.rest_elsewhere("00000000-0000-4000-9000-000000000001")
    await open_stream.fault("stream_gap")
    await open_stream.cancel(resting)
    await open_stream.check(resting, await open_stream.trade())
    assert await open_stream.fired("stream_gap") == 1
    assert len(open_stream.reader.comparisons) == 2
