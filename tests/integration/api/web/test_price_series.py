"""The series of a price page: what the feed has sampled before the API began, then the API's own samples."""

from __future__ import annotations

import json
from decimal import Decimal

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.bus.state.price_samples import PriceSamples
from shared.bus.state.records import Records
from shared.domain.values.money import Price
from tests.integration.api.web.conftest import events
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


async def test_a_page_gets_the_series_at_once_and_again_when_it_has_changed(bus: Bus) -> None:
    records, path = Records(bus), "/price/BTC/USD/events?venue=kraken"
    now = now_ms()
    await records.write_prices("kraken", [Price(Decimal(61_000), BTC)], now)
    async with open_api(bus) as site, events(site, path) as reader:
        shown = [json.loads((await reader.next("series")).data)]
        await records.write_prices("kraken", [Price(Decimal(62_000), BTC)], now + 1)
        shown.append(json.loads((await reader.next("series")).data))
    assert [[each["price"] for each in found["prices"]] for found in shown] == [["61000"], ["61000", "62000"]]


@pytest.mark.parametrize("path", ["/price/BTC/USD/events?venue=nowhere", "/price/BTC/-/events?venue=kraken"])
async def test_what_can_have_no_price_has_no_events(bus: Bus, path: str) -> None:
    async with open_api(bus) as site, aiohttp.ClientSession(site.url) as client, client.get(path) as answer:
        assert answer.status == 404
