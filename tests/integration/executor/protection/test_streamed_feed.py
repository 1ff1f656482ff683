"""The price feed over a stream: what is streamed, what is read by REST, and how often Redis is written to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest

from services.executor.protection import live_prices, price_feed
from services.executor.protection.price_feed import PriceFeed
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.fake_prices import FakePriceStream
from tests.integration.executor.rig import crash, until
from tests.support.examples import BTC_USD, btc_price

ETH_USD = Symbol("ETH", "USD")


def _now() -> int:
    return time.time_ns() // 1_000_000


async def _permit() -> None:
    """Permit every connect."""


@dataclass
class Feed:
    """A feed that leads, its stream and its market. REST answers with the market's prices."""

    bus: Bus
    market: FakeMarket
    venue: FakeVenue
    stream: FakePriceStream

    async def published(self, symbol: Symbol = BTC_USD) -> tuple[Price, int] | None:
        return (await Records(self.bus).prices_of("kraken", [symbol])).get(symbol)

    def is_published(self, amount: str, symbol: Symbol = BTC_USD) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            found = await self.published(symbol)
            return found is not None and found[0].amount == Decimal(amount)

        return condition

    async def watch(self, *symbols: Symbol) -> None:
        await Watch(self.bus).ask_for("kraken", symbols, _now())

    async def streaming(self) -> None:
        """Wait until the stream is asked for bitcoin, and show it."""

        async def followed() -> bool:
            return self.stream.connected and BTC_USD in self.stream.followed

        await until(followed, "the held pair is followed")
        self.stream.show(btc_price("60001"))
        await until(self.is_published("60001"), "the stream's price is published")

    async def reads_of(self, rounds: int) -> int:
        """Beat for some rounds of the feed and count the reads by REST meanwhile."""
        before = self.venue.calls["prices"]
        asked = self.venue.calls["instruments"]
        while self.venue.calls["instruments"] < asked + rounds:
            self.stream.beat()
            await asyncio.sleep(0.01)
        return self.venue.calls["prices"] - before


@pytest.fixture
async def feed(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feed]:
    monkeypatch.setattr(price_feed, "_EVERY", 0.1)
    monkeypatch.setattr(price_feed, "_EVERYTHING_EVERY", 600.0)
    monkeypatch.setattr(price_feed, "_AFTER_FAILURE", 0.1)
    market = FakeMarket({BTC_USD: Decimal(60_000), ETH_USD: Decimal(3_000)})
    venue, stream = FakeVenue(market, FakeAccount(), clock=_now), FakePriceStream(_now)
    feed = Feed(bus, market, venue, stream)
    await feed.watch(BTC_USD)
    running = asyncio.create_task(PriceFeed(bus, venue, "test", _now, (stream, _permit)).run())
    yield feed
    await crash(running)


async def test_what_the_stream_shows_is_published_and_read_no_more(feed: Feed) -> None:
    await feed.streaming()
    assert feed.stream.followed == {BTC_USD}
    feed.market.prices[BTC_USD] = Decimal(1)
    assert await feed.reads_of(rounds=5) <= 1  # one may have been under way
    found = await feed.published()
    assert found is not None
    assert found[0] == btc_price("60001")


async def test_a_quiet_price_gets_the_instant_of_the_last_heartbeat_and_no_later_one(feed: Feed) -> None:
    await feed.streaming()
    first = await feed.published()
    assert first is not None
    await asyncio.sleep(0.01)
    feed.stream.beat()
    latest = _now()

    async def renewed() -> bool:
        found = await feed.published()
        return found is not None and found[1] > first[1]

    await until(renewed, "the price is published as of the heartbeat")
    for _ in range(30):  # three rounds of the feed
        await asyncio.sleep(0.01)
        found = await feed.published()
        assert found is not None
        assert found[1] <= latest


@pytest.mark.parametrize("end", ["cut", "hide", "fail"])
async def test_a_price_that_the_stream_has_lost_is_read_at_once(
    feed: Feed, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_prices, "SILENCE", 600.0)  # which would come to the same, later
    await feed.streaming()
    feed.market.prices[BTC_USD] = Decimal(50_000)
    match end:
        case "cut":
            feed.stream.cut()
        case "hide":
            feed.stream.hide(BTC_USD)
        case _:
            feed.stream.fail(RuntimeError("a defect"))
    await until(feed.is_published("50000"), "REST has it")
    feed.market.prices[BTC_USD] = Decimal(50_100)
    await until(feed.is_published("50100"), "REST goes on")


async def test_silence_is_as_bad_as_a_cut(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    await feed.streaming()
    monkeypatch.setattr(live_prices, "SILENCE", 0.2)
    feed.market.prices[BTC_USD] = Decimal(50_000)
    await until(feed.is_published("50000"), "REST has it")
    feed.stream.beat()
    feed.market.prices[BTC_USD] = Decimal(50_100)
    await until(feed.is_published("50100"), "a heartbeat alone revives nothing")


async def test_a_defect_of_the_stream_is_tried_again(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_feed, "_AFTER_BROKEN_STREAM", 0.01)
    await feed.streaming()
    feed.stream.fail(Unavailable("refused"))

    async def again() -> bool:
        return feed.stream.connects == 2 and feed.stream.connected

    await until(again, "it is started again")
    feed.stream.show(btc_price("60002"))
    await until(feed.is_published("60002"), "it is published again")


async def test_a_burst_of_ticks_does_not_reach_redis(feed: Feed) -> None:
    await feed.streaming()
    before = await _writes(feed.bus)
    began = time.monotonic()
    for amount in range(2_000):
        feed.stream.show(btc_price(str(61_000 + amount)))
        if amount % 10 == 0:
            await asyncio.sleep(0)
    await until(feed.is_published("62999"), "the last one is published")
    allowed = (time.monotonic() - began) / 0.25 + 3
    assert await _writes(feed.bus) - before <= allowed


async def _writes(bus: Bus) -> int:
    """How often prices were written: nothing else writes hashes here but the leases' scripts."""
    text = str(await bus.do("INFO", "commandstats"))
    return int(text.partition("cmdstat_hset:calls=")[2].partition(",")[0] or 0)


async def test_pairs_come_and_go_while_it_runs(feed: Feed) -> None:
    await feed.streaming()
    await feed.watch(ETH_USD)

    async def both() -> bool:
        return feed.stream.followed == {BTC_USD, ETH_USD}

    async def only_eth() -> bool:
        return feed.stream.followed == {ETH_USD}

    await until(both, "the new one is followed")
    feed.stream.show(Price(Decimal(3_001), ETH_USD))
    await until(feed.is_published("3001", ETH_USD), "and published")
    await feed.bus.do("HSET", keys.watched("kraken"), str(BTC_USD), str(_now() - 120_000))
    await until(only_eth, "nothing follows what is held no longer")
    feed.stream.show(btc_price("7"))
    await feed.reads_of(rounds=3)
    found = await feed.published()
    assert found is not None
    assert found[0] == btc_price("60001")


async def test_an_unlisted_pair_is_not_followed(feed: Feed) -> None:
    await feed.watch(Symbol("NOPE", "USD"))
    await feed.streaming()
    await feed.reads_of(rounds=3)
    assert feed.stream.followed == {BTC_USD}


async def test_more_pairs_than_the_stream_takes_are_read(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_feed, "_MOST_STREAMED", 1)
    await feed.watch(ETH_USD)
    await feed.streaming()
    assert feed.stream.followed == {BTC_USD}
    feed.market.prices[ETH_USD] = Decimal(3_100)
    await until(feed.is_published("3100", ETH_USD), "REST has the other one")


async def test_the_connection_ends_with_the_lease(feed: Feed) -> None:
    await feed.streaming()
    await feed.bus.do("SET", keys.lease(keys.price_feed("kraken")), "another process")

    async def ended() -> bool:
        return not feed.stream.connected

    await until(ended, "another process leads now")
