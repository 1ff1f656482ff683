"""The published price is recorded with a copy when the venue has taken its first leg, and stated in its report."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bus.state.records import Records
from shared.contracts.market_records import write_price
from shared.ledger.performance.trades import latest_trades
from shared.venues.port import BeginSend, OrderAck, OrderRequest
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import btc_price


@pytest.fixture
async def rising(rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have another price published right before each order arrives; answers what was published."""
    published: list[str] = []
    place = owner.venue.place

    async def publish_first(order: OrderRequest, begin: BeginSend) -> OrderAck:
        price = btc_price(60_000 + len(published))
        await Records(rig.bus).write_prices("kraken", [price], rig.clock.now)
        published.append(write_price(price, rig.clock.now))
        return await place(order, begin)

    monkeypatch.setattr(owner.venue, "place", publish_first)
    return published


async def test_a_copied_entry_states_the_price_of_its_acceptance(rig: Rig, owner: Owner, rising: list[str]) -> None:
    report = await rig.carry(owner, rig.entry())
    assert [report.market] == rising
    (trade,) = (await latest_trades(rig.bus, [USER], 1))[USER]
    assert trade.market == btc_price(60_000)
    assert trade.market_at == rig.clock.now
    assert trade.accepted_at == report.accepted_at


async def test_an_exit_in_legs_states_that_of_the_first(rig: Rig, owner: Owner, rising: list[str]) -> None:
    await rig.carry(owner, rig.entry())
    rising.clear()
    rig.account.fill_share = Decimal("0.5")
    begun = await rig.begin(owner, rig.close())
    while len(rising) < 2:
        await rig.sleep(0.01)
    rig.account.fill_share = Decimal(1)
    await begun
    reports = await rig.reports()
    assert len(rising) > 1
    assert reports[-1].market == rising[0]


async def test_no_price_is_recorded_where_none_is_compared(rig: Rig, owner: Owner, rising: list[str]) -> None:
    """A user's own exit copies no fill of the master's."""
    await rig.carry(owner, rig.entry())
    own = replace(rig.close(), signal_id="")
    assert await owner.dispatcher.run(own, "", redelivered=False)
    assert (await rig.reports())[-1].market == ""
    assert len(rising) == 2
