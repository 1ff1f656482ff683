"""The shared price feed: what somebody holds every second, everything else seldom."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from services.executor.protection.price_feed import PriceFeed
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.domain.values.symbol import Symbol
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from tests.integration.executor.rig import crash, until
from tests.support.examples import BTC_USD, btc_price

ETH_USD = Symbol("ETH", "USD")


def _now() -> int:
    return time.time_ns() // 1_000_000


async def test_only_what_is_watched_is_asked_for_every_second(bus: Bus) -> None:
    market = FakeMarket({BTC_USD: Decimal(60_000), ETH_USD: Decimal(3_000)})
    venue = FakeVenue(market, FakeAccount(), clock=_now)
    records = Records(bus)
    await Watch(bus).ask_for("kraken", [BTC_USD], _now())
    await Watch(bus).ask_for("kraken", [ETH_USD], _now() - 120_000)  # nobody has held it for a while

    async def steered() -> bool:
        known = await records.prices_of("kraken", [BTC_USD])
        return bool(known) and known[BTC_USD][0] == btc_price("50000")

    async def published() -> bool:
        return len(await records.prices_of("kraken", [BTC_USD, ETH_USD])) == 2

    running = asyncio.create_task(PriceFeed(bus, venue, "test", _now).run())
    try:
        await until(published, "everything is published at first")
        market.prices.update({BTC_USD: Decimal(50_000), ETH_USD: Decimal(2_500)})
        await until(steered, "what is watched follows")
    finally:
        await crash(running)
    prices = await records.prices_of("kraken", [BTC_USD, ETH_USD])
    assert prices[ETH_USD][0].amount == 3_000
    assert venue.calls["prices"] <= 4
