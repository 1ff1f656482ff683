"""An executor whose Redis user is of one group starts and goes on although Redis hides other users' records from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.bus.connection import Bus, open_bus
from shared.bus.users import gone_users
from shared.bus.users.gone_users import restore_last_settings, settle_gone_users
from shared.bus.users.last_settings import LastSettings
from shared.config.users.watch import UsersWatch
from shared.contracts import keys
from shared.contracts.access import rules
from tests.integration.bus.test_last_settings import hold
from tests.support.examples import a_policy
from tests.support.redis_server import RedisServer


@pytest.fixture
async def of_group(own_server: RedisServer, own_bus: Bus) -> AsyncIterator[Bus]:
    """A connection as the Redis user of a group with bob and ben."""
    await own_bus.do("ACL", "SETUSER", "g", *rules("executor", ["bob", "ben"]).split(), ">of-the-group")
    async with open_bus(f"redis://g:of-the-group@127.0.0.1:{own_server.port}/0", "test") as connected:
        yield connected


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for folder in ("users", "groups"):
        (tmp_path / folder).mkdir()
    for group in ("eu-1", "us"):
        (tmp_path / "groups" / f"{group}.toml").write_text("")
    (tmp_path / "users" / "carol.toml").write_text('group = "us"\nnonsense = 1')
    return tmp_path


async def test_a_start_finds_its_own_users_without_a_file_and_not_those_of_others(
    own_bus: Bus, of_group: Bus, config: Path
) -> None:
    for user, group in (("bob", "eu-1"), ("alice", ""), ("zoe", "us")):
        await hold(own_bus, user)
        await LastSettings(own_bus).write([a_policy(user, group=group)])
    watch = UsersWatch(config)
    async with asyncio.timeout(10):
        await restore_last_settings(of_group, watch)
    assert {user: policy.group for user, policy in watch.everybody.items()} == {"bob": "eu-1", "carol": "us"}


async def test_a_user_of_another_group_who_goes_keeps_no_own_one(
    own_bus: Bus, of_group: Bus, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of a removed user of another group are hidden: this must not keep bob or ben."""
    for user, group in (("bob", "eu-1"), ("ben", "eu-1"), ("zoe", "us")):
        (config / "users" / f"{user}.toml").write_text(f'group = "{group}"')
    await hold(own_bus, "bob")
    watch = UsersWatch(config)
    for user in ("bob", "ben", "zoe"):
        (config / "users" / f"{user}.toml").unlink()
    watch.look()
    watch.look()
    assert set(watch.gone) == {"bob", "ben", "zoe"}
    monkeypatch.setattr(gone_users, "_LOOK", 0.01)
    settled = asyncio.create_task(settle_gone_users(of_group, watch, lambda _: None))
    async with asyncio.timeout(10):
        while set(watch.gone) != {"bob"}:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)
    settled.cancel()
    await asyncio.gather(settled, return_exceptions=True)


async def test_it_may_know_who_else_uses_a_key(own_bus: Bus, of_group: Bus) -> None:
    """One key for users of two groups parks both, so claims, leases and fencing tokens of others are readable."""
    await own_bus.do("SET", keys.lease("alice"), "other")
    await own_bus.do("SET", keys.fence("alice"), "7")
    assert await of_group.do_all([("EXISTS", keys.lease("alice")), ("GET", keys.fence("alice"))]) == [1, "7"]
