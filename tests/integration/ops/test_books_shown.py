"""What commands show and repair of an account in which several masters' copies are held."""

from __future__ import annotations

from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER, master_owner
from shared.domain.limits.policy import FollowedMaster, UserPolicy
from shared.domain.position import MAIN, Position
from shared.domain.values.venue import VENUES
from shared.ledger.drift import Drift, plan_repair
from shared.ledger.holdings import read_drifts
from tests.integration.ops.command import ops
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, btc, btc_price, usd
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


async def master_at(bus: Bus, venue: str, name: str = "", **held: str) -> None:
    """Have a master with 10,000 USD at a venue, under a name, who holds so much bitcoin."""
    account = {"v": "1", "state": "ready", "currency": "USD", "equity": "10000", "cash": "10000", "as_of": str(NOW)}
    await bus.do("HSET", keys.account(MASTER, venue), *[part for pair in account.items() for part in pair])
    await bus.do("HSET", keys.master_name(venue), "name", name)
    for size in held.values():
        await Records(bus).write_position(MASTER, venue, Position(BTC_USD, btc(size), usd(1), NOW, NOW))


async def found(bus: Bus, policy: UserPolicy) -> list[Drift]:
    return [each for venue in VENUES for each in await read_drifts(bus, [policy], venue)]


async def test_a_book_of_a_master_without_an_account_is_shown_and_never_closed(bus: Bus) -> None:
    """A repair closes all of a user or of a symbol, so it would sell what that book holds."""
    await master_at(bus, "kraken")
    policy = a_policy("alice")
    await hold(bus, main="0.04")
    assert plan_repair(await found(bus, policy)).users == ("alice",)

    await bus.do("HSET", keys.following("alice"), "from", "0-0", "follow:swing", "kraken")
    await hold(bus, main="0.04", swing="0.02")
    rows = await found(bus, policy)
    assert [(each.master, each.held, each.stray) for each in rows] == [
        ("kraken", btc("0.04"), True),
        ("swing", btc("0.02"), False),
    ]
    plan = plan_repair(rows)
    assert (plan.users, plan.symbols, len(plan.left_out)) == ((), (), 1)


async def test_each_book_is_compared_with_its_own_master_at_its_share(bus: Bus) -> None:
    await master_at(bus, "kraken", size="0.1")
    await master_at(bus, "coinbase", "swing", size="0.4")
    await Records(bus).write_account(an_account("alice"))
    policy = a_policy("alice", masters=(FollowedMaster("swing", "kraken", Decimal(20)),))
    await hold(bus, main="0.05", swing="0.02")
    assert [(each.master, each.venue, each.target, each.held, each.pct) for each in await found(bus, policy)] == [
        ("kraken", "kraken", btc("0.05"), btc("0.05"), Decimal(0)),
        ("swing", "kraken", btc("0.04"), btc("0.02"), Decimal(-50)),
    ]


async def test_what_the_named_master_no_longer_holds_is_a_stray(bus: Bus) -> None:
    await master_at(bus, "kraken", size="0.1")
    await master_at(bus, "coinbase", "swing")
    await Records(bus).write_account(an_account("alice"))
    policy = a_policy("alice", masters=(FollowedMaster("swing", "kraken", Decimal(20)),))
    await hold(bus, main="0.05", swing="0.02")
    rows = await found(bus, policy)
    assert [(each.master, each.stray) for each in rows] == [("kraken", False), ("swing", True)]
    assert len(plan_repair(rows).left_out) == 1


async def test_the_main_book_of_a_venue_whose_master_has_a_name_now_is_not_compared(bus: Bus) -> None:
    await master_at(bus, "kraken", "swing")
    await hold(bus, main="0.04")
    assert [(each.master, each.stray, each.held) for each in await found(bus, a_policy("alice"))] == [
        ("kraken", False, btc("0.04"))
    ]


async def test_a_book_of_a_further_master_is_compared_with_its_own_account_at_the_same_venue(bus: Bus) -> None:
    await master_at(bus, "kraken", size="0.1")
    owner = master_owner("swing")
    await Records(bus).note_further_master("swing", "kraken")
    account = {"v": "1", "state": "ready", "currency": "USD", "equity": "10000", "cash": "10000", "as_of": str(NOW)}
    await bus.do("HSET", keys.account(owner, "kraken"), *[part for pair in account.items() for part in pair])
    await Records(bus).write_position(owner, "kraken", Position(BTC_USD, btc("0.4"), usd(1), NOW, NOW))
    await Records(bus).write_account(an_account("alice"))
    policy = a_policy("alice", masters=(FollowedMaster("swing", "kraken", Decimal(20)),))
    await hold(bus, main="0.05", swing="0.02")
    rows = [
        each
        for who, venue in await read_master_places(bus)
        for each in await read_drifts(bus, [policy], venue, {}, who)
    ]
    assert [(each.master, each.target, each.held, each.stray) for each in rows] == [
        ("kraken", btc("0.05"), btc("0.05"), False),
        ("swing", btc("0.04"), btc("0.02"), False),
    ]


async def test_the_audit_shows_how_far_books_are_proven_and_what_is_not_accounted_for(
    bus: Bus, redis_server: RedisServer
) -> None:
    report = {"v": "1", "id": "r1", "order_id": "o1", "user": "alice", "venue": "kraken", "symbol": "BTC/USD"}
    report |= {"side": "buy", "kind": "entry", "outcome": "filled", "filled_size": "0.02", "master": "swing"}
    await bus.do("XADD", keys.reports("alice"), "*", *[part for pair in report.items() for part in pair])
    await bus.do("HSET", keys.book_corrections("alice", "kraken"), "BTC/USD swing", "-0.005")
    await hold(bus, main="0.04", swing="0.015")
    right = await ops(redis_server.url, "audit", "--no-venue", "--json")
    assert (right.code, right.json["books"]) == (
        0,
        {"checked": 1, "equal": 1, "open": 0, "uncovered": 0, "differs": 0},
    )
    (row,) = right.json["books_corrected"]
    assert (row["user"], row["master"], row["corrected"], row["difference"]) == ("alice", "swing", "-0.005", "0")
    await hold(bus, main="0.04", swing="0.05")
    wrong = await ops(redis_server.url, "audit", "--no-venue", COLUMNS="200")
    assert wrong.code == 1
    shown = " ".join(wrong.out.split())
    for words in ("Books of named masters", "differs", "0.035 is not accounted for", "not attributed"):
        assert words in shown
