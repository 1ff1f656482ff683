"""The last settings of each user stand in Redis, and who holds something without a file is found there (case F2)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.bus.state.records import Records
from shared.bus.users.gone_users import restore_last_settings
from shared.bus.users.last_settings import LastSettings, holders, still_holding
from shared.config.users.watch import UsersWatch
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.limits.policy import ExitPolicy, FileState
from shared.domain.position import Position
from tests.support.examples import BTC_USD, NOW, a_policy, btc, usd


async def hold(bus: Bus, user: str) -> None:
    """Have a user hold bitcoin from copying."""
    await Records(bus).write_position(user, "kraken", Position.flat(BTC_USD, NOW).bought(btc("0.1"), usd(6000), NOW))


async def test_settings_are_kept_by_user_and_those_of_a_bad_file_are_not(bus: Bus) -> None:
    last = LastSettings(bus)
    alice = a_policy("alice", exits=ExitPolicy(stop_loss_pct=Decimal(7)))
    await last.write([alice, a_policy("bob", fault="bob.toml: not valid TOML")])
    assert await bus.do("KEYS", "shoal:settings*") == ["shoal:settings:{alice}"]
    await bus.do("SET", keys.last_settings("carol"), "not JSON")
    await bus.do("HSET", keys.last_settings("dave"), "of", "another type")
    assert await last.read(["alice", "bob", "carol", "dave"]) == {"alice": alice}


async def test_a_start_finds_books_without_a_file_and_the_last_settings(bus: Bus, tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    for user, text in (("alice", ""), ("bob", "enabld = true")):
        (tmp_path / "users" / f"{user}.toml").write_text(text)
    for user in ("alice", "gone", MASTER):
        await hold(bus, user)
    await LastSettings(bus).write(
        [a_policy(user, exits=ExitPolicy(stop_loss_pct=Decimal(7))) for user in ("bob", "gone", "flat")]
    )
    watch = UsersWatch(tmp_path)
    await restore_last_settings(bus, watch)
    assert {user: (each.exits.stop_loss_pct, each.file) for user, each in watch.everybody.items()} == {
        "alice": (Decimal(5), FileState.GOOD),
        "bob": (Decimal(7), FileState.BAD),
        "gone": (Decimal(7), FileState.GONE),
    }


async def test_who_holds_nothing_and_has_nothing_on_its_way_is_let_go_of(bus: Bus) -> None:
    group = Group(bus, keys.EXECUTOR)
    await hold(bus, "holder")
    for user in ("under-way", "waiting", "done"):
        await group.ensure([keys.orders(user)])
        await bus.do("XADD", keys.orders(user), "*", "id", "x")
        if user != "waiting":
            (entry,) = await group.read_new([keys.orders(user)], 10, 1)
            if user == "done":
                await group.ack(keys.orders(user), entry.id)
    assert await holders(bus) == {"holder"}
    users = ["holder", "under-way", "waiting", "done", "never-served"]
    assert await still_holding(bus, users) == {"holder", "under-way", "waiting"}
