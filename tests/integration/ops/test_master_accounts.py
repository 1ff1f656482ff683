"""`ops master` and `ops status` with an account of the master at each venue."""

from __future__ import annotations

from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.master.master_account import MasterRecords
from shared.bus.ownership.lease import acquire
from shared.bus.state.records import Records
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.master_account import Baseline, MasterHolding, UncopiedOrder
from shared.domain.values.money import Money, Quantity
from shared.domain.values.venue import VENUES
from tests.integration.ops.command import ops
from tests.support.redis_server import RedisServer

AT = 1_795_000_000_000


async def _two_masters(bus: Bus) -> None:
    lease, records = await acquire(bus, MASTER, "one"), Records(bus)
    assert lease is not None
    money = Money(Decimal("1234.5"), "USD")
    for venue in VENUES:
        parked = venue == "coinbase"
        state, why = (AccountState.PARKED, "Unauthorized") if parked else (AccountState.READY, "")
        await records.write_account(Account(MASTER, venue, state, why, money, money, Decimal("0.01"), AT))
        coin = Quantity(Decimal("0.5"), "BTC")
        await MasterRecords(bus, lease, venue).write(
            holdings=[MasterHolding(coin, coin, Baseline.SEPARATE, AT)],
            uncopied=[UncopiedOrder(f"of {venue}", "margin", "it was traded on margin", AT, "BTC/USD")],
        )


async def test_each_account_is_shown_and_one_can_be_chosen(bus: Bus, redis_server: RedisServer) -> None:
    await _two_masters(bus)
    both = (await ops(redis_server.url, "master", "--json")).json
    assert [(each["venue"], each["state"], each["equity"]) for each in both["accounts"]] == [
        ("kraken", "ready", "1234.5"),
        ("coinbase", "parked", "1234.5"),
    ]
    assert [each["venue"] for each in both["holdings"]] == ["kraken", "coinbase"]
    one = (await ops(redis_server.url, "master", "--venue", "coinbase", "--json")).json
    assert [each["venue"] for each in (*one["accounts"], *one["holdings"])] == ["coinbase", "coinbase"]
    assert [each["order"] for each in one["not_copied"]] == ["of coinbase"]
    shown = (await ops(redis_server.url, "master", COLUMNS="200")).out
    assert "1,234.50 USD" in shown
    assert "Unauthorized" in shown


async def test_the_status_names_the_master_that_is_not_ready(bus: Bus, redis_server: RedisServer) -> None:
    await _two_masters(bus)
    shown = (await ops(redis_server.url, "status", COLUMNS="200")).out
    assert "  - master coinbase: parked: Unauthorized" in shown
