"""What commands show and repair of an account in which several masters' copies are held."""

from __future__ import annotations

from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.position import MAIN, Position
from shared.ledger.drift import plan_repair
from shared.ledger.holdings import read_drifts
from tests.integration.ops.command import ops
from tests.support.examples import BTC_USD, NOW, a_policy, btc, btc_price, usd
from tests.support.redis_server import RedisServer


async def hold(bus: Bus, **sizes: str) -> Position:
    """Have alice hold so much for each master, at 60,000; `main` is the main book."""
    position = Position.flat(BTC_USD, NOW)
    for name, size in sizes.items():
        master = MAIN if name == "main" else name
        book = Position(BTC_USD, btc(size), usd(Decimal(size) * 60_000), NOW, NOW)
        position = position.with_book(master, book)
    await Records(bus).write_position("alice", "kraken", position)
    await Records(bus).write_prices("kraken", [btc_price(63_000)], NOW)
    return position


async def test_positions_show_what_is_held_for_each_master(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, main="0.04", swing="0.02")
    ran = await ops(redis_server.url, "positions", COLUMNS="80")
    assert ran.code == 0, ran.err
    shown = " ".join(ran.out.split())
    for words in ("0.06 BTC", "main", "0.04 BTC", "swing", "0.02 BTC", "+60.00"):
        assert words in shown
    (row,) = (await ops(redis_server.url, "positions", "--json")).json["positions"]
    assert [(each["master"], each["size"], each["cost"]) for each in row["books"]] == [
        ("", "0.04", "2400"),
        ("swing", "0.02", "1200"),
    ]
    assert (row["size"], row["cost"]) == ("0.06", "3600")


async def test_an_undivided_position_has_no_books(bus: Bus, redis_server: RedisServer) -> None:
    await hold(bus, main="0.04")
    (row,) = (await ops(redis_server.url, "positions", "--json")).json["positions"]
    assert "books" not in row
    assert "main" not in (await ops(redis_server.url, "positions")).out


async def test_a_stray_beside_the_book_of_a_named_master_is_left_alone(bus: Bus) -> None:
    """A repair closes all of a user or of a symbol, so it would sell what the named master still holds."""
    account = {"v": "1", "state": "ready", "currency": "USD", "equity": "10000", "cash": "10000", "as_of": str(NOW)}
    await bus.do("HSET", keys.account(MASTER, "kraken"), *[part for pair in account.items() for part in pair])
    policy = a_policy("alice")
    await hold(bus, main="0.04")
    assert plan_repair(await read_drifts(bus, [policy], "kraken")).users == ("alice",)

    await hold(bus, main="0.04", swing="0.02")
    found = await read_drifts(bus, [policy], "kraken")
    assert [(each.master, each.held, each.stray) for each in found] == [
        ("kraken", btc("0.04"), True),
        ("swing", btc("0.02"), False),
    ]
    plan = plan_repair(found)
    assert (plan.users, plan.symbols, len(plan.left_out)) == ((), (), 1)

    await hold(bus, swing="0.02")
    assert not any(each.stray for each in await read_drifts(bus, [policy], "kraken"))
