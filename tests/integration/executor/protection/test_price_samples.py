"""Samples of the prices of what is held: once a minute, bounded, kept in Redis."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from services.executor.protection.price_feed import PriceFeed
from shared.bus.connection import Bus
from shared.bus.state.price_samples import PriceSamples, read_prices_before
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.contracts.price_sample import PRICE_RING
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from tests.integration.executor.rig import crash, until
from tests.support.copies import now_ms
from tests.support.examples import BTC_USD

ETH_USD = Symbol("ETH", "USD")
MINUTE = 60_000
START = 1_763_827_200_000


def _at(price: str) -> dict[Symbol, tuple[Price, int]]:
    return {BTC_USD: (Price(Decimal(price), BTC_USD), START)}


async def test_the_feed_samples_what_is_watched_and_nothing_else(bus: Bus) -> None:
    market = FakeMarket({BTC_USD: Decimal(60_000), ETH_USD: Decimal(3_000)})
    venue = FakeVenue(market, FakeAccount(), clock=now_ms)
    await Watch(bus).ask_for("kraken", [BTC_USD], now_ms())

    async def sampled() -> bool:
        return bool(await read_prices_before(bus, "kraken", BTC_USD, 2 * now_ms()))

    running = asyncio.create_task(PriceFeed(bus, venue, "test", now_ms).run())
    try:
        await until(sampled, "the first minute is sampled")
    finally:
        await crash(running)
    ((at, price),) = await read_prices_before(bus, "kraken", BTC_USD, 2 * now_ms())
    assert (at % MINUTE, price) == (0, Decimal(60_000))
    assert await bus.do("EXISTS", keys.price_samples("kraken", ETH_USD)) == 0


async def test_samples_are_kept_for_twelve_hours_and_to_eight_decimals(bus: Bus) -> None:
    samples = PriceSamples(bus, "kraken")
    for number in range(0, 13 * 60, 20):
        assert samples.due(START + number * MINUTE)
        await samples.add(_at(f"{60_000 + number}.12345678"), START + number * MINUTE)
    assert not samples.due(START + 760 * MINUTE + 59_999)
    found = await read_prices_before(bus, "kraken", BTC_USD, START + 13 * 60 * MINUTE)
    assert found[-1] == (START + 760 * MINUTE, Decimal("60760.12345678"))
    assert found[0][0] == START + 60 * MINUTE
    assert [at for at, _ in await read_prices_before(bus, "kraken", BTC_USD, START + 81 * MINUTE)] == [
        START + 60 * MINUTE,
        START + 80 * MINUTE,
    ]
    key = keys.price_samples("kraken", BTC_USD)
    assert await bus.do("STRLEN", key) == PRICE_RING.size
    assert 0 < await bus.do("PTTL", key) <= 7 * 24 * 3600 * 1000


async def test_another_feed_repeats_no_minute_and_a_key_of_another_type_stops_nothing(bus: Bus) -> None:
    await PriceSamples(bus, "kraken").add(_at("60000"), START)
    await PriceSamples(bus, "kraken").add(_at("1"), START + 5)
    assert await read_prices_before(bus, "kraken", BTC_USD, START + MINUTE) == [(START, Decimal(60_000))]
    await bus.do("DEL", keys.price_samples("kraken", BTC_USD))
    await bus.do("HSET", keys.price_samples("kraken", BTC_USD), "a", "b")
    await PriceSamples(bus, "kraken").add(_at("60000"), START + MINUTE)
    assert await read_prices_before(bus, "kraken", BTC_USD, START + 2 * MINUTE) == []
