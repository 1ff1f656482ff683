"""The series of a price page: what the feed has sampled before the API began, then the API's own samples."""

from __future__ import annotations

from decimal import Decimal

import aiohttp

from shared.bus.connection import Bus
from shared.bus.price_samples import PriceSamples
from shared.bus.records import Records
from shared.domain.values.money import Price
from tests.support.copies import BTC, now_ms
from tests.support.open_api import open_api

MINUTE = 60_000


async def test_after_a_restart_the_chart_still_has_the_hours_before(bus: Bus) -> None:
    now = now_ms()
    samples = PriceSamples(bus, "kraken")
    for number in (180, 90, 1):
        at = now - number * MINUTE
        await samples.add({BTC: (Price(Decimal(60_000 + number), BTC), at)}, at)
    async with open_api(bus) as site:
        await Records(bus).write_prices("kraken", [Price(Decimal(61_000), BTC)], now + 1)
        async with (
            aiohttp.ClientSession(site.url) as client,
            client.get("/price/BTC/USD/series?venue=kraken") as answer,
        ):
            found = (await answer.json())["prices"]
    assert [each["price"] for each in found] == ["60180", "60090", "60001", "61000"]
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)
