"""`ops pnl` as a person runs it."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.state.equity_samples import EquitySamples
from shared.contracts import keys
from shared.contracts.equity_sample import EquitySample
from shared.contracts.trade_totals import CONTENTS
from shared.domain.account import MASTER
from shared.domain.order import OrderState, Side
from tests.integration.ops.command import ops
from tests.integration.ops.money import Book, account, alice_and_master
from tests.support.copies import now_ms
from tests.support.redis_server import RedisServer

HOUR = 3_600_000


async def test_nothing_traded_is_a_sentence(bus: Bus, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "pnl")
    assert (ran.code, ran.out.strip()) == (0, "Profit and loss of copying: no account has traded yet")
    assert "bob has not traded yet" in (await ops(redis_server.url, "pnl", "--user", "bob")).out
    assert (await ops(redis_server.url, "pnl", "--json")).json["accounts"] == []
    (header,) = (await ops(redis_server.url, "pnl", "--csv")).out.splitlines()
    assert header.split(",")[:7] == ["user", "venue", "symbol", "currency", "realized", "unrealized", "pnl"]


async def test_the_result_is_shown_beside_the_masters(bus: Bus, redis_server: RedisServer) -> None:
    """Alice paid 6,030 for 0.1 and got 2,470 for 0.04 that had cost 2,412: 58 realised, 162 still open."""
    await alice_and_master(bus)
    await account(bus, "bob", "900")
    ran = await ops(redis_server.url, "pnl", COLUMNS="80")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    lines = {line.split()[0]: line.split() for line in ran.out.splitlines() if line}
    assert lines["alice"] == ["alice", "kraken", "USD", "+58.00", "+162.00", "+220.00", "34.00", "5,100.50"]
    assert lines["master"][3:7] == ["0.00", "+552.00", "+552.00", "48.00"]
    assert lines["bob"] == ["bob", "kraken", "USD", "0.00", "0.00", "0.00", "0.00", "900.00"]
    assert "users together: P&L +220.00 USD, realised +58.00 USD, fees 34.00 USD" in ran.out


async def test_one_user_is_shown_by_symbol(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    ran = await ops(redis_server.url, "pnl", "--user", "alice", COLUMNS="80")
    assert "By symbol" in ran.out
    assert "tracking error on kraken: not known yet (0 hours in common with the master)" in ran.out


async def test_json_adds_up_and_csv_says_the_same(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    found = (await ops(redis_server.url, "pnl", "--json")).json
    (alice,) = found["accounts"]
    sums = {name: Decimal(value) for name, value in alice["sums"]["USD"].items() if isinstance(value, str)}
    assert sums["pnl"] == sums["realized"] + sums["unrealized"] == sums["cash_flow"] + sums["value"]
    assert (sums["pnl"], sums["fees"], alice["sums"]["USD"]["trades"]) == (Decimal(220), Decimal(34), 2)
    rows = list(csv.DictReader((await ops(redis_server.url, "pnl", "--csv")).out.splitlines()))
    assert [(row["user"], row["pnl"], row["equity"]) for row in rows] == [
        ("master", "552", "20000"), ("alice", "220", "5100.5")
    ]  # fmt: skip


async def test_what_trades_do_not_explain_is_said(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    await bus.do("HDEL", keys.positions("alice", "kraken"), "BTC/USD")
    ran = await ops(redis_server.url, "pnl", "--user", "alice")
    words = " ".join(ran.out.split())
    assert "alice BTC/USD: -0.06 BTC at a cost of -3,618.00 USD are not explained by trades" in words
    (mine,) = (await ops(redis_server.url, "pnl", "--json")).json["accounts"]
    (row,) = mine["symbols"]
    assert (row["adjusted_size"], row["adjusted_cost"], row["pnl"]) == ("-0.06", "-3618", "58")


async def test_the_tracking_error_compares_the_hours_of_both(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    start = now_ms() - 5 * HOUR
    for user, profits in (("alice", ["0", "10", "20", "10"]), (MASTER, ["0", "10", "30", "10"])):
        samples = EquitySamples(bus, user, "kraken")
        for hour, profit in enumerate(profits):
            at = start + hour * HOUR
            sample = EquitySample(currency="USD", equity=Decimal(1000), pnl=Decimal(profit))
            assert await samples.add(sample, at) == ""
    each = (await ops(redis_server.url, "pnl", "--user", "alice", "--json")).json["tracking"]["kraken"]
    assert each["intervals"] == 3
    assert Decimal(each["mean_difference_pct_points"]) == 0
    assert Decimal(each["error_pct_points"]) == 1


async def test_check_compares_the_sums_with_the_reports(bus: Bus, redis_server: RedisServer) -> None:
    alice = Book(bus, "alice")
    await alice.trade(Side.BUY, "0.1", "6006", "24")
    await alice.trade(Side.SELL, "0.04", "2480", "10")
    ran = await ops(redis_server.url, "pnl", "--check", "--json")
    assert (ran.code, ran.json["checked"], ran.json["different"]) == (0, 1, 0)
    await bus.do("XTRIM", keys.reports("alice"), "MAXLEN", 0)
    await bus.do("HSET", keys.totals("alice", "kraken"), CONTENTS, str(now_ms() + HOUR))
    assert (await ops(redis_server.url, "pnl", "--check")).code == 0


@pytest.mark.parametrize("wrong", ["missing", "twice"])
async def test_check_fails_where_a_trade_is_missing_or_counted_twice(
    bus: Bus, redis_server: RedisServer, wrong: str
) -> None:
    alice = Book(bus, "alice")
    await alice.trade(Side.BUY, "0.1", "6006", "24")
    sums = await bus.do("HGET", keys.totals("alice", "kraken"), "BTC/USD")
    await alice.trade(Side.BUY, "0.1", "6006", "24")
    if wrong == "missing":
        await bus.do("HSET", keys.totals("alice", "kraken"), "BTC/USD", sums)
    else:
        await bus.do("DEL", keys.reports("alice"))
        await alice.report(Side.BUY, OrderState.FILLED, size="0.1", cost="6006", fee="24")
    ran = await ops(redis_server.url, "pnl", "--check")
    assert ran.code == 1
    assert "bought is" in ran.out
