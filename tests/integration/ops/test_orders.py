"""`ops orders` as a person runs it."""

from __future__ import annotations

import csv

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import OrderState, Side
from tests.integration.ops.command import ops
from tests.integration.ops.money import Book, alice_and_master, emit
from tests.support.redis_server import RedisServer


async def test_no_order_is_a_sentence(bus: Bus, redis_server: RedisServer) -> None:
    assert (await ops(redis_server.url, "orders")).out.strip() == "Latest outcomes: no order has ended yet"
    ran = await ops(redis_server.url, "orders", "--user", "bob")
    assert ran.out.strip() == "Latest outcomes: no order of bob has ended yet"
    assert (await ops(redis_server.url, "orders", "--json")).json == {"orders": []}


async def test_an_order_shows_its_price_against_the_masters_and_its_way(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    await Book(bus, "bob").report(
        Side.BUY, OrderState.SKIPPED, reason="below the venue's minimum", signal_id=await emit(bus)
    )
    ran = await ops(redis_server.url, "orders", COLUMNS="80")
    assert max(map(len, ran.out.splitlines())) <= 80
    for words in (
        "0.1 BTC",
        "60,060.00",
        "10.00 bp",
        "100+50+150",
        "skipped",
        "bob BTC/USD: below the venue's minimum",
    ):
        assert words in ran.out


async def test_json_and_csv_have_every_amount(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    sale, bought = (await ops(redis_server.url, "orders", "--user", "alice", "--json")).json["orders"]
    assert (bought["price"], bought["cost"], bought["fee"], bought["master_price"], bought["slippage_bps"]) == (
        "60060", "6006", "24", "60000", "10.00"
    )  # fmt: skip
    assert (bought["to_send_ms"], bought["to_accept_ms"], bought["to_settle_ms"]) == (100, 50, 150)
    assert (sale["master_price"], sale["slippage_bps"]) == (None, None), (
        "the user's own exit has no price of the master's"
    )
    rows = list(csv.DictReader((await ops(redis_server.url, "orders", "--csv", "--user", "alice")).out.splitlines()))
    assert [row["cost"] for row in rows] == ["2480", "6006"]


async def test_the_newest_of_all_users_are_shown_however_many_one_has(bus: Bus, redis_server: RedisServer) -> None:
    bob, alice = Book(bus, "bob"), Book(bus, "alice")
    for number, who in enumerate([bob, bob, bob, alice, bob], start=1):
        await who.report(Side.BUY, OrderState.EXPIRED, entry_id=f"{number}-0")
    await bus.do("XADD", keys.reports("carol"), "6-0", "order_id", "damaged")
    rows = (await ops(redis_server.url, "orders", "--last", "4", "--json")).json["orders"]
    assert [row["user"] for row in rows] == ["bob", "alice", "bob"], (
        "what cannot be read takes a place, and is left out"
    )


async def test_a_reason_is_no_formula_in_a_spreadsheet(bus: Bus, redis_server: RedisServer) -> None:
    await Book(bus, "bob").report(Side.BUY, OrderState.SKIPPED, reason='=HYPERLINK("x")')
    (row,) = csv.DictReader((await ops(redis_server.url, "orders", "--csv")).out.splitlines())
    assert row["reason"] == '\'=HYPERLINK("x")'
