"""A paper exchange that follows another market's prices; a second paper exchange stands in for the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.paper_exchange.price_mirror import OLDEST, PriceMirror
from shared.config.settings import Settings
from shared.venues.factory import open_public_kraken
from tests.contract.venues.benches import PaperExchange, now, paper_exchange
from tests.unit.paper_exchange.venue import Client, Venue

REFUSED = "EService:Market in cancel_only mode"


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[PaperExchange]:
    async with paper_exchange(tmp_path) as running:
        yield running


@pytest.fixture
def venue(real: PaperExchange) -> Venue:
    return Venue(settings=Settings(paper_prices_url=real.url))


@pytest.fixture
def mirror(real: PaperExchange, venue: Venue) -> PriceMirror:
    source = open_public_kraken(url=real.url, http=real.http, timeout=2, clock=now)
    return PriceMirror(venue.exchange, source, real.url)


@pytest.fixture
def alice(venue: Venue, mirror: PriceMirror) -> Client:
    return venue.client("alice")


def last(venue: Venue, pair: str = "XBTUSD") -> Decimal:
    """Read the last price as any client does."""
    (row,) = venue.public("Ticker", pair=pair)["result"].values()
    return Decimal(row["c"][0])


async def test_it_trades_at_the_prices_of_the_other_market(
    real: PaperExchange, venue: Venue, mirror: PriceMirror, alice: Client
) -> None:
    await mirror.read_prices()
    assert last(venue) == 50_000
    await real.post("price", symbol="BTC/USD", price="51234.5")
    await mirror.read_prices()
    assert last(venue) == Decimal("51234.5")
    bought = alice.order(alice.add("buy", "limit", "0.01", price="51300", timeinforce="IOC"))
    assert bought["vol_exec"] == "0.01000000"
    assert Decimal(bought["cost"]) / Decimal("0.01") == pytest.approx(Decimal(51_234), rel=Decimal("0.001"))


async def test_a_price_stands_between_two_readings_however_long_that_is(venue: Venue, mirror: PriceMirror) -> None:
    await mirror.read_prices()
    venue.clock.advance(3600)
    assert last(venue) == 50_000


async def test_before_the_first_reading_nothing_is_traded(venue: Venue, mirror: PriceMirror, alice: Client) -> None:
    assert alice.refused("buy", "market", "0.01") == REFUSED
    await mirror.read_prices()
    alice.add("buy", "market", "0.01")


async def test_at_a_price_that_is_too_old_nothing_is_traded(venue: Venue, mirror: PriceMirror, alice: Client) -> None:
    await mirror.read_prices()
    venue.clock.advance(OLDEST)
    alice.add("buy", "market", "0.01")
    venue.clock.advance(0.1)
    assert alice.refused("buy", "market", "0.01") == REFUSED
    assert alice.refused("sell", "limit", "0.01", price="1000", timeinforce="IOC") == REFUSED
    await mirror.read_prices()
    alice.add("sell", "market", "0.01")


async def test_a_pair_that_the_other_market_does_not_price_takes_no_orders(
    venue: Venue, mirror: PriceMirror, alice: Client
) -> None:
    await mirror.read_prices()
    assert alice.error("AddOrder", pair="SOLUSD", type="buy", ordertype="market", volume="1") == REFUSED


async def test_an_order_that_waits_fills_when_the_other_market_reaches_it(
    real: PaperExchange, mirror: PriceMirror, alice: Client
) -> None:
    await mirror.read_prices()
    waiting = alice.add("buy", "limit", "0.01", price="49000")
    await real.post("price", symbol="BTC/USD", price="48900")
    assert alice.order(waiting)["status"] == "open"
    await mirror.read_prices()
    assert alice.order(waiting)["status"] == "closed"


async def test_a_source_that_fails_is_told_once_and_so_is_its_return(
    real: PaperExchange, venue: Venue, mirror: PriceMirror
) -> None:
    await mirror.read_prices()
    await real.fault("http_503", method="Ticker")
    with capture_logs() as told:
        await mirror.read_prices()
        await mirror.read_prices()
        assert last(venue) == 50_000
        venue.clock.advance(OLDEST + 1)
        await mirror.read_prices()
        await mirror.read_prices()
        await real.cure()
        await mirror.read_prices()
    closed = "pairs that take no orders: their prices are too old or unknown"
    assert [
        (each["event"], "BTC/USD" in each.get("pairs", "")) for each in told if "url" in each or "pairs" in each
    ] == [
        ("prices stand still: they cannot be read", False),
        (closed, True),
        ("prices move again", False),
        (closed, False),  # those that the source never prices
    ]


def test_the_speed_and_the_path_of_the_market_file_have_no_say_while_it_follows(venue: Venue) -> None:
    assert venue.exchange.market.clock.speed == 1.0
    moving = Venue(market={"speed": 60, "regime": "crash"}, settings=Settings(paper_prices_url="http://127.0.0.1:1"))
    before = last(moving)
    moving.clock.advance(600)
    assert last(moving) == before
