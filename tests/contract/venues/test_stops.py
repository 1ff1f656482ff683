"""The venue contract, continued: stops that rest at the venue. Every adapter and the fake keep these sentences."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.order import Side
from shared.domain.values.money import Price
from shared.venues.errors import OutcomeUnknown, Rejected
from shared.venues.port import OrderRequest, Outgoing, VenueOrderStatus
from tests.contract.venues.benches import BTC, FUNDS, Bench, end_of, now, request

STOP = Decimal(48_000)


def stop(bench: Bench, at: Decimal = STOP, *, client_id: str = "", size: str = "0.01") -> OrderRequest:
    """Write the stop that this venue has: at market, or with a limit 2 % below it."""
    limit = None if bench.venue.stops_at_market else Price(at * Decimal("0.98"), BTC)
    asked = request(client_id or str(uuid4()), Side.SELL, size)
    return replace(asked, limit_price=limit, rests=True, stop_price=Price(at, BTC))


async def test_46_a_stop_stays_open_sells_nothing_and_locks_its_coins(bench: Bench) -> None:
    asked = stop(bench)
    accepted = await bench.venue.place(asked, bench.nonces.begin)
    await bench.set_price(STOP + 1)
    order = await bench.venue.order(accepted.venue_order_id)
    assert (order.status, order.filled.amount, order.side) == (VenueOrderStatus.OPEN, Decimal(0), Side.SELL)
    assert (order.size, order.rests, order.limit_price) == (asked.size, False, None), "it is no resting limit order"
    (listed,) = await bench.venue.open_orders()
    assert (listed.venue_order_id, listed.client_order_id) == (accepted.venue_order_id, asked.client_order_id)
    held = (await bench.venue.balances())["BTC"]
    assert (held.total, held.free) == (FUNDS["BTC"], FUNDS["BTC"] - Decimal("0.01"))


async def test_47_a_stop_that_the_price_reaches_sells_all_at_about_that_price(bench: Bench) -> None:
    accepted = await bench.venue.place(stop(bench), bench.nonces.begin)
    await bench.set_price(STOP)
    order = await end_of(bench.venue, accepted.venue_order_id)
    assert order.filled.amount == Decimal("0.01")
    assert order.average_price is not None
    assert STOP * Decimal("0.98") <= order.average_price.amount <= STOP
    assert (await bench.venue.balances())["BTC"].total == FUNDS["BTC"] - Decimal("0.01")


async def test_48_a_cancelled_stop_has_ended_and_frees_its_coins(bench: Bench) -> None:
    accepted = await bench.venue.place(stop(bench), bench.nonces.begin)
    await bench.venue.cancel(await bench.venue.order(accepted.venue_order_id))
    order = await end_of(bench.venue, accepted.venue_order_id)
    assert order.filled.amount == 0
    assert (await bench.venue.balances())["BTC"].free == FUNDS["BTC"]
    await bench.set_price(STOP - 1)
    assert (await bench.venue.order(accepted.venue_order_id)).filled.amount == 0


async def test_49_a_stop_whose_reply_was_lost_is_found_by_its_client_order_id(bench: Bench) -> None:
    asked = stop(bench)
    await bench.trouble("reply lost")
    with pytest.raises(OutcomeUnknown):
        await bench.venue.place(asked, bench.nonces.begin)
    found = await bench.venue.find(asked.client_order_id, since=now() - 60_000)
    assert found is not None
    assert (found.status, found.filled.amount) == (VenueOrderStatus.OPEN, Decimal(0))


async def test_50_two_stops_cannot_lock_more_than_is_held(bench: Bench) -> None:
    await bench.venue.place(stop(bench, size="0.4"), bench.nonces.begin)
    with pytest.raises(Rejected):
        await bench.venue.place(stop(bench, size="0.2"), bench.nonces.begin)
    assert await bench.orders_at_venue() == 1


async def test_51_a_repeated_stop_is_the_first_one_where_the_venue_replays(bench: Bench) -> None:
    if not bench.venue.replays:
        return
    sent: list[str] = []

    async def begin(outgoing: Outgoing) -> int:
        sent.append(outgoing.body)
        return await bench.nonces.begin(outgoing)

    accepted = await bench.venue.place(stop(bench), begin)
    again = await bench.venue.replay(sent[0], begin)
    assert again.venue_order_id == accepted.venue_order_id
    assert await bench.orders_at_venue() == 1


def test_52_a_stop_is_a_sale_that_rests_and_is_not_post_only() -> None:
    sale = replace(request("1", Side.SELL), rests=True, stop_price=Price(STOP, BTC))
    with pytest.raises(ValueError, match="a stop is a sale"):
        replace(sale, side=Side.BUY)
    with pytest.raises(ValueError, match="a stop is a sale"):
        replace(sale, rests=False)
    with pytest.raises(ValueError, match="a stop is a sale"):
        replace(sale, post_only=True)
