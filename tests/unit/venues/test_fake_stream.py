"""The fake stream keeps to the port: nothing between an interruption and the next `resumed`, rows of a comparison after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue, MemoryNonces
from shared.venues.fake_stream import FakeStream
from shared.venues.port import OrderRequest, VenueOrderStatus
from shared.venues.stream import FundsMoved, OrderSeen, StreamRefused

BTC = Symbol("BTC", "USD")


class Notes:
    """A reader that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.compare = asyncio.Event()
        self.compare.set()

    async def resumed(self, why: str) -> None:
        self.heard.append("resuming")
        await self.compare.wait()
        self.heard.append("resumed")

    def order_seen(self, seen: OrderSeen) -> None:
        self.heard.append((seen.order.status, seen.whole))

    def unclear(self, venue_order_id: str, why: str) -> None:
        self.heard.append(venue_order_id)

    def funds_moved(self, moved: FundsMoved) -> None:
        self.heard.append(moved.asset)

    def interrupted(self, why: str) -> None:
        self.heard.append("interrupted")


async def _at_once() -> None:
    return


@asynccontextmanager
async def _running(stream: FakeStream, reader: Notes) -> AsyncIterator[None]:
    task = asyncio.create_task(stream.run(reader, _at_once))
    await stream.until_connected()
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _buy(account: FakeAccount) -> None:
    venue = FakeVenue(FakeMarket(prices={BTC: Decimal(100)}), account, clock=lambda: 1)
    nonces = MemoryNonces(account.last_nonce)
    order = OrderRequest("c", BTC, Side.BUY, Quantity(Decimal(1), "BTC"), None, 9_000)
    await venue.place(order, nonces.begin)


async def test_an_account_shows_its_orders_before_the_answer_and_held_ones_later() -> None:
    account = FakeAccount(balances={"USD": Decimal(1_000)})
    stream, reader = FakeStream(account), Notes()
    shown = [(VenueOrderStatus.OPEN, True), (VenueOrderStatus.DONE, True)]
    async with _running(stream, reader):
        await _buy(account)
        assert reader.heard == ["resuming", "resumed", *shown]
        stream.hold()
        await _buy(account)
        assert len(reader.heard) == 4
        stream.release()
        assert reader.heard[4:] == shown
    assert reader.heard[-1] == "interrupted"


async def test_nothing_is_shown_while_it_is_cut_and_what_comes_during_a_comparison_is_shown_after_it() -> None:
    account = FakeAccount(balances={"USD": Decimal(1_000)})
    stream, reader = FakeStream(account), Notes()
    async with _running(stream, reader):
        reader.compare.clear()
        stream.cut()
        await _buy(account)
        assert reader.heard[2:] == ["interrupted"]
        await stream.until_connected()
        await asyncio.sleep(0)
        stream.move_funds("USD")
        stream.unclear("O1")
        assert reader.heard[3:] == ["resuming"]
        reader.compare.set()
        await asyncio.sleep(0.01)
        assert reader.heard[4:] == ["resumed", "USD", "O1"]
        assert stream.connects == stream.permits_asked == 2


async def test_a_refused_stream_ends_with_the_refusal() -> None:
    stream, reader = FakeStream(), Notes()
    stream.fail(StreamRefused("EGeneral:Permission denied"))
    with pytest.raises(StreamRefused):
        await stream.run(reader, _at_once)
    assert reader.heard == []
