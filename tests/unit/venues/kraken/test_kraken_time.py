"""An order's deadline is in Kraken's time, as its answers tell it, whatever this host's clock says."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from email.utils import formatdate

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from shared.venues.factory import HttpSession, RateBudget, open_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.port import OrderRequest
from shared.venues.venue_clock import VenueClock
from tests.unit.venues.conftest import KEY, SECRET, now
from tests.unit.venues.kraken_stub import KrakenStub, Raw, refusal, result

BTC_USD = Symbol.parse("BTC/USD")
TIMEOUT = 3.0
AHEAD = 600.0
"""Seconds by which the venue's clock is ahead of this host's."""


@pytest.fixture
def clock() -> VenueClock:
    return VenueClock("kraken", wall=now)


@pytest.fixture
def timed(stub: KrakenStub, http: HttpSession, nonces: MemoryNonces, clock: VenueClock) -> KrakenVenue:
    return open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=TIMEOUT,
        clock=clock,
        budget=RateBudget(None),
    )


def _dated(body: bytes, *, status: int = 200, age: str = "") -> Raw:
    headers = [f"Date: {formatdate(time.time() + AHEAD, usegmt=True)}"]
    return Raw(body, status, tuple([*headers, f"Age: {age}"] if age else headers))


def _order(clock: VenueClock) -> OrderRequest:
    size, limit = Quantity(Decimal("0.01"), "BTC"), Price(Decimal(60_000), BTC_USD)
    return OrderRequest("an-id", BTC_USD, Side.BUY, size, limit, clock() + 1_000_000)


async def _deadline_told(timed: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, clock: VenueClock) -> float:
    """Place an order; answers how many seconds its deadline is ahead of this host's clock."""
    stub.answer("AddOrder", result({"txid": ["O1"]}))
    begun = time.time()
    await timed.place(_order(clock), nonces.begin)
    (sent,) = stub.sent("AddOrder")
    return datetime.fromisoformat(sent.form["deadline"]).timestamp() - begun


async def test_a_deadline_goes_by_the_date_of_the_last_answers(
    timed: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, clock: VenueClock
) -> None:
    """Cases A1 and S1."""
    stub.answer("BalanceEx", _dated(b'{"error":[],"result":{}}'))
    await timed.balances()
    assert clock.measured
    assert await _deadline_told(timed, stub, nonces, clock) == pytest.approx(AHEAD + TIMEOUT, abs=2.5)


async def test_without_a_date_the_venue_is_asked_for_its_time_before_an_order_leaves(
    timed: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, clock: VenueClock
) -> None:
    await timed.balances()
    assert not clock.measured
    stub.answer("Time", result({"unixtime": int(time.time() + AHEAD)}))
    assert await _deadline_told(timed, stub, nonces, clock) == pytest.approx(AHEAD + TIMEOUT, abs=2.5)


async def test_no_order_leaves_before_the_venues_time_is_known(
    timed: KrakenVenue, stub: KrakenStub, nonces: MemoryNonces, clock: VenueClock
) -> None:
    stub.answer("Time", refusal("EGeneral:Internal error"), result({"what": 0}))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await timed.place(_order(clock), nonces.begin)
    assert stub.sent("AddOrder") == []
    assert nonces.last == MemoryNonces().last, "nothing was begun"


@pytest.mark.parametrize(("status", "age"), [(502, ""), (503, ""), (200, "30")])
async def test_a_gateways_page_and_a_caches_copy_say_nothing(
    timed: KrakenVenue, stub: KrakenStub, clock: VenueClock, status: int, age: str
) -> None:
    await timed.instruments()
    stub.answer("Ticker", *[_dated(b'{"error":[],"result":{}}', status=status, age=age)] * 4)
    try:
        await timed.prices([BTC_USD])
    except Unavailable:
        assert status != 200
    assert not clock.measured
