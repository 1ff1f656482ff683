"""`ops positions` as a person runs it."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import Side
from shared.domain.values.symbol import Symbol
from tests.integration.ops.command import ops
from tests.integration.ops.money import Book, alice_and_master, publish
from tests.support.redis_server import RedisServer


async def test_nothing_held_is_a_sentence(bus: Bus, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "positions")
    assert (ran.code, ran.out.strip()) == (
        0,
        "Positions: no user holds anything from copying, and the master holds nothing",
    )
    one = await ops(redis_server.url, "positions", "--user", "alice")
    assert "alice holds nothing from copying" in one.out
    found = (await ops(redis_server.url, "positions", "--json")).json
    assert (found["positions"], found["master"], found["sums"]) == ([], [], {})


async def test_what_is_held_is_shown_with_cost_and_worth(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    ran = await ops(redis_server.url, "positions", COLUMNS="80")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    for words in ("0.06 BTC", "60,300.00", "63,000.00", "3,780.00", "+162.00", "0.2 BTC"):
        assert words in ran.out
    assert "users together: value 3,780.00 USD, cost 3,618.00 USD, unrealised +162.00 USD" in " ".join(ran.out.split())


async def test_json_and_csv_have_all_digits_and_the_same(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    found = (await ops(redis_server.url, "positions", "--json", "--user", "alice")).json
    (mine,), (masters,) = found["positions"], found["master"]
    assert (mine["size"], mine["cost"], mine["average_cost"], mine["value"], mine["unrealized"]) == (
        "0.06", "3618", "60300", "3780", "162"
    )  # fmt: skip
    assert (masters["user"], masters["size"]) == ("master", "0.2")
    rows = list(csv.DictReader((await ops(redis_server.url, "positions", "--csv")).out.splitlines()))
    assert [(row["user"], row["size"], row["unrealized"]) for row in rows] == [
        ("master", "0.2", "552"),
        ("alice", "0.06", "162"),
    ]


async def test_an_unknown_price_hides_a_sum_and_is_said(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    await Book(bus, "bob", symbol=Symbol("ETH", "USD")).trade(Side.BUY, "1", "3000")
    ran = await ops(redis_server.url, "positions")
    assert "bob on kraken: no price of ETH/USD is known" in ran.out
    assert (await ops(redis_server.url, "positions", "--json")).json["sums"]["USD"]["value"] is None
    await publish(bus, "3100", Symbol("ETH", "USD"))
    value = (await ops(redis_server.url, "positions", "--json")).json["sums"]["USD"]["value"]
    assert Decimal(value) == Decimal(3780 + 3100)


async def test_a_record_that_cannot_be_read_is_named_and_hides_no_other(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    await bus.do("HSET", keys.positions("alice", "kraken"), "ETH/USD", "damaged")
    ran = await ops(redis_server.url, "positions")
    assert "alice on kraken: ETH/USD cannot be read" in ran.out
    assert "0.06 BTC" in ran.out


async def test_users_are_shown_page_by_page(bus: Bus, redis_server: RedisServer) -> None:
    await alice_and_master(bus)
    ran = await ops(redis_server.url, "positions", "--per-page", "1", "--page", "2")
    assert "page 2 of 3 (3 users)" in ran.out
    assert "alice" not in ran.out
    assert "there are 3 pages" in (await ops(redis_server.url, "positions", "--per-page", "1", "--page", "4")).err


@pytest.mark.parametrize("command", ["positions", "pnl", "orders", "watch"])
async def test_a_misspelt_user_is_an_error(bus: Bus, redis_server: RedisServer, command: str) -> None:
    ran = await ops(redis_server.url, command, "--user", "alcie")
    assert (ran.code, ran.out) == (2, "")
    assert "--user alcie: there is no such user" in ran.err


@pytest.mark.parametrize("command", ["positions", "pnl", "orders", "watch"])
async def test_two_forms_at_once_are_refused(bus: Bus, redis_server: RedisServer, command: str) -> None:
    ran = await ops(redis_server.url, command, "--json", "--csv")
    assert (ran.code, ran.err) == (2, "ops: --json and --csv exclude each other\n")


async def test_a_user_without_a_file_who_holds_something_is_shown_by_name(
    bus: Bus, redis_server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "users").mkdir()
    await alice_and_master(bus)
    ran = await ops(redis_server.url, "positions", "--user", "alice", SHOAL_CONFIG=str(tmp_path))
    assert "0.06 BTC" in ran.out
