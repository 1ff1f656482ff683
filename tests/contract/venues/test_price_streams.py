"""The price streams through the paper exchange: what they show is what REST shows, and what each way of failing comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from shared.config.venue.venue_settings import VENUE_FACTS
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.factory import open_price_stream, open_public
from shared.venues.port import PublicSide
from shared.venues.price_stream import PriceStream
from tests.contract.venues.benches import BTC, PRICE, PaperExchange, now

ETH, DOGE, BTC_USDC = Symbol("ETH", "USD"), Symbol("DOGE", "USD"), Symbol("BTC", "USDC")
PATIENCE = 30.0


@dataclass
class Listener:
    """Keeps the last price of each pair, and why nothing is shown."""

    prices: dict[Symbol, Price] = field(default_factory=dict)
    interruptions: list[str] = field(default_factory=list)
    at: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, price: Price, at: int) -> None:
        self.prices[price.symbol] = price
        self.alive(at)

    def alive(self, at: int) -> None:
        self.at = max(self.at, at)
        self.news.set()

    def unseen(self, symbols: Collection[Symbol], why: str) -> None:
        del why
        for symbol in symbols:
            self.prices.pop(symbol, None)
        self.news.set()

    def interrupted(self, why: str) -> None:
        self.interruptions.append(why)
        self.prices.clear()
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def shows(self, symbol: Symbol, amount: str) -> None:
        await self.until(lambda: symbol in self.prices and self.prices[symbol].amount == Decimal(amount))


async def _permit() -> None:
    """Permit every connect."""


@dataclass
class Streamed:
    """One venue of the paper exchange: its public side and its price stream."""

    venue: str
    paper: PaperExchange
    public: PublicSide
    stream: PriceStream

    async def price(self, symbol: Symbol, amount: str) -> None:
        await self.paper.post("price", symbol=str(symbol), price=amount)

    async def fault(self, name: str) -> None:
        await self.paper.fault(name, venue=self.venue, method="ticker", count=1)

    @asynccontextmanager
    async def following(self, *symbols: Symbol) -> AsyncIterator[Listener]:
        listener = Listener()
        self.stream.follow(symbols)
        running = asyncio.create_task(self.stream.run(listener, _permit))
        try:
            yield listener
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(params=["kraken", "coinbase"])
def streamed(request: pytest.FixtureRequest, paper: PaperExchange) -> Streamed:
    venue: str = request.param
    public = open_public(venue, url=paper.url, http=paper.http, timeout=5.0, clock=now)
    url = VENUE_FACTS[venue].stream_url(paper.url, public=True)
    return Streamed(venue, paper, public, open_price_stream(url=url, http=paper.http, public=public, clock=now))


async def test_the_stream_shows_what_rest_shows(streamed: Streamed) -> None:
    symbols = (BTC, ETH, DOGE)
    async with streamed.following(*symbols) as listener:
        await listener.until(lambda: len(listener.prices) == 3)
        assert listener.prices == await streamed.public.prices(symbols)
        await streamed.price(BTC, "50123.4")
        await streamed.price(DOGE, "0.07")
        await listener.shows(BTC, "50123.4")
        await listener.shows(DOGE, "0.07")
        assert listener.prices == await streamed.public.prices(symbols)
    assert listener.interruptions == []


async def test_a_quiet_market_gives_signs_of_life(streamed: Streamed) -> None:
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        seen = listener.at
        await listener.until(lambda: listener.at >= seen + 1_500)
    assert listener.interruptions == []


async def test_pairs_come_and_go(streamed: Streamed) -> None:
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        streamed.stream.follow([BTC, ETH])
        await listener.until(lambda: ETH in listener.prices)
        streamed.stream.follow([ETH])
        await asyncio.sleep(1.0)  # the venue acknowledges the end, which nothing shows
        await streamed.price(BTC, "1")
        await streamed.price(ETH, "3210")
        await listener.shows(ETH, "3210")
        assert listener.prices[BTC].amount == PRICE
    assert listener.interruptions == []


@pytest.mark.parametrize("fault", ["stream_cut", "stream_close"])
async def test_after_a_cut_the_next_connection_shows_what_was_missed(streamed: Streamed, fault: str) -> None:
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        await streamed.fault(fault)
        await listener.until(lambda: bool(listener.interruptions))
        await streamed.price(BTC, "49000")
        await listener.shows(BTC, "49000")


async def test_silence_is_noticed_and_ended(streamed: Streamed) -> None:
    """The connection stays open, but neither rows nor heartbeats come."""
    address = streamed.stream._address  # type: ignore[attr-defined]
    streamed.stream._address = replace(address, silence=2.5)  # type: ignore[attr-defined]
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        await streamed.fault("stream_silence")
        await streamed.price(BTC, "49000")
        await listener.until(lambda: bool(listener.interruptions))
        assert "nothing came" in listener.interruptions[0]
        await listener.shows(BTC, "49000")


async def test_a_refused_connect_is_tried_again(streamed: Streamed) -> None:
    await streamed.paper.fault("stream_connect_429", venue=streamed.venue, count=1)
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
    assert len(listener.interruptions) == 1


async def test_a_pair_that_the_venue_does_not_list_hides_no_other(streamed: Streamed) -> None:
    async with streamed.following(BTC, Symbol("NOPE", "USD")) as listener:
        await listener.shows(BTC, str(PRICE))
    assert listener.interruptions == []


@pytest.mark.parametrize("streamed", ["coinbase"], indirect=True)
async def test_a_pair_of_another_pairs_book_is_shown_under_both_names(streamed: Streamed) -> None:
    async with streamed.following(BTC_USDC, BTC) as listener:
        await streamed.price(BTC, "51000.1")
        await listener.shows(BTC, "51000.1")
        await listener.shows(BTC_USDC, "51000.1")
        assert listener.prices == await streamed.public.prices([BTC, BTC_USDC])
    async with streamed.following(BTC_USDC) as listener:
        await listener.shows(BTC_USDC, "51000.1")
        assert list(listener.prices) == [BTC_USDC]


@pytest.mark.parametrize("streamed", ["coinbase"], indirect=True)
async def test_a_lost_message_costs_a_connection_and_no_price(streamed: Streamed) -> None:
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        await streamed.fault("stream_gap")
        await streamed.price(BTC, "49000")
        await listener.until(lambda: listener.interruptions == ["a message is missing"])
        await listener.shows(BTC, "49000")


async def test_rows_that_come_twice_change_nothing(streamed: Streamed) -> None:
    async with streamed.following(BTC) as listener:
        await listener.shows(BTC, str(PRICE))
        await streamed.fault("stream_repeat")
        await streamed.price(BTC, "49000")
        await listener.shows(BTC, "49000")
        await streamed.price(BTC, "49500")
        await listener.shows(BTC, "49500")
    assert listener.interruptions == []
