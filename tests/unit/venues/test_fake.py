"""The fake venue keeps what makes a real one dangerous; the contract suite holds it to the port."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue, MemoryNonces
from shared.venues.port import OrderRequest, Venue, VenueOrderStatus

BTC = Symbol.parse("BTC/USD")
NOW = 1_800_000_000_000


def _venue(account: FakeAccount | None = None, nonces: MemoryNonces | None = None) -> FakeVenue:
    account = account or FakeAccount({"USD": Decimal(2000)})
    return FakeVenue(FakeMarket({BTC: Decimal(50_000)}), account, clock=lambda: NOW, nonces=nonces)


def _buy(limit: str | None = None) -> OrderRequest:
    price = None if limit is None else Price(Decimal(limit), BTC)
    return OrderRequest("c-1", BTC, Side.BUY, Quantity(Decimal("0.01"), "BTC"), price, NOW + 30_000)


async def test_it_is_a_venue_and_fills_at_the_price_that_was_set() -> None:
    nonces = MemoryNonces()
    venue = _venue(nonces=nonces)
    port: Venue = venue
    accepted = await port.place(_buy(), nonces.begin)
    order = await port.order(accepted.venue_order_id)
    assert order.filled == Quantity(Decimal("0.01"), "BTC")
    assert order.average_price == Price(Decimal(50_000), BTC)
    balances = await port.balances()
    assert balances["USD"].free == Decimal(2000) - 500 - 2
    assert venue.calls["place"] == 1


async def test_a_client_id_that_is_sent_twice_buys_twice() -> None:
    nonces = MemoryNonces()
    venue = _venue(nonces=nonces)
    await venue.place(_buy(), nonces.begin)
    await venue.place(_buy(), nonces.begin)
    assert len(venue.account.orders) == 2


async def test_a_lost_reply_leaves_the_order_at_the_venue() -> None:
    nonces = MemoryNonces()
    venue = _venue(nonces=nonces)
    venue.fail("place", OutcomeUnknown("time-out"), after_accept=True)
    venue.account.hidden_lookups = 1
    with pytest.raises(OutcomeUnknown):
        await venue.place(_buy(), nonces.begin)
    assert await venue.find("c-1", since=0) is None
    found = await venue.find("c-1", since=0)
    assert found is not None
    assert found.status is VenueOrderStatus.DONE


async def test_a_price_worse_than_the_limit_fills_nothing() -> None:
    nonces = MemoryNonces()
    venue = _venue(nonces=nonces)
    accepted = await venue.place(_buy("49999"), nonces.begin)
    assert (await venue.order(accepted.venue_order_id)).filled.amount == 0


async def test_the_process_with_the_higher_nonce_voids_the_other() -> None:
    account = FakeAccount({"USD": Decimal(1000)})
    old, new = _venue(account, MemoryNonces(10)), _venue(account, MemoryNonces(1000))
    await new.balances()
    with pytest.raises(Rejected) as refused:
        await old.balances()
    assert refused.value.refusal is Refusal.NONCE
