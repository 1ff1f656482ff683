"""The index of users, so that showing them needs no scan."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.users.last_settings import holders_outside
from shared.bus.users.user_index import add_to_index, read_user_index, scan_users
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.ledger.reading import known_users


async def _scans(bus: Bus) -> bool:
    return "cmdstat_scan:" in str(await bus.do("INFO", "commandstats"))


async def test_without_an_index_users_are_found_by_a_scan(bus: Bus) -> None:
    await bus.do("XADD", keys.reports("alice"), "*", "v", "1")
    await bus.do("HSET", keys.following("bob"), "from", "0-0")
    await bus.do("XADD", keys.orders(MASTER), "*", "v", "1")
    assert await read_user_index(bus) is None
    assert await known_users(bus) == ["alice", "bob"]


async def test_the_first_entry_takes_in_everybody_who_ever_followed(bus: Bus) -> None:
    await bus.do("XADD", keys.reports("alice"), "*", "v", "1")
    await add_to_index(bus, ["bob"], 5)
    assert await read_user_index(bus) == {"alice", "bob"}
    await add_to_index(bus, ["carol"], 6)
    await add_to_index(bus, ["bob"], 7)
    assert await bus.do("HGETALL", keys.KNOWN_USERS) == ["alice", "5", "bob", "5", "carol", "6"]


async def test_with_an_index_nothing_is_scanned_to_show_users(bus: Bus) -> None:
    await add_to_index(bus, ["alice", "bob", "carol"], 5)
    await bus.do("HSET", keys.positions("bob", "kraken"), "BTC/USD", "{}")
    await bus.do("HSET", keys.mirrored("carol", "coinbase"), "x", "{}")
    await bus.do("CONFIG", "RESETSTAT")
    assert await known_users(bus) == ["alice", "bob", "carol"]
    assert await holders_outside(bus, ["carol"]) == {"bob"}
    assert not await _scans(bus)


async def test_what_acts_still_finds_users_who_are_not_in_the_index(bus: Bus) -> None:
    await add_to_index(bus, ["alice"], 5)
    await bus.do("XADD", keys.reports("zoe"), "*", "v", "1")
    assert "zoe" in await scan_users(bus)
