"""Users' settings in Redis: versions, changes that nobody announced, an index that is lost, and processes that see one group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.bus.client.wire import Command
from shared.bus.connection import Bus, open_bus
from shared.bus.errors import BusForbidden, BusUnavailable
from shared.bus.users import settings_source
from shared.bus.users.gone_users import open_watch
from shared.bus.users.settings_source import RedisUserSource
from shared.bus.users.user_settings import KEPT, Author, SettingsKind, StaleSettings, UserSettings
from shared.config.errors import ConfigurationError
from shared.config.settings import ConfigSource, Settings
from shared.config.users.groups import group_of
from shared.config.users.loader import FileProblem
from shared.config.users.watch import UsersWatch
from shared.contracts import keys
from shared.contracts.access import rules
from tests.integration.bus.settings.places import OLGA, Records
from tests.support.redis_server import RedisServer

ONE, TWO = "sizing.multiplier = 1\n", "sizing.multiplier = 2  # two\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "groups").mkdir()
    for group in ("eu-1", "us"):
        (tmp_path / "groups" / f"{group}.toml").write_text("")
    return tmp_path


@pytest.fixture
def place(config: Path, bus: Bus) -> Records:
    return Records(config, bus)


async def settled(watch: UsersWatch, source: RedisUserSource) -> list[str]:
    """Look twice; return the problems."""
    found: list[str] = []
    for _ in range(2):
        await source.refresh()
        found += watch.look()[1]
    return found


class TestVersions:
    """A record is written over what its author has seen, and nothing else."""

    async def test_a_version_says_who_when_and_why(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        assert await settings.read("bob") is None
        assert await settings.write("bob", ONE, "", OLGA, over="") == "1"
        found = await settings.read("bob")
        assert found is not None
        assert (found.version, found.text, found.by, found.at, found.why) == ("1", ONE, OLGA.by, OLGA.at, OLGA.why)
        assert await settings.names() == ["bob"]

    async def test_of_two_who_have_seen_one_version_the_second_is_refused(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        await settings.write("bob", ONE, "", OLGA, over="")
        seen = await settings.read("bob")
        assert seen is not None
        await settings.write("bob", TWO, "", OLGA, over=seen.mark)
        for over in (seen.mark, ""):
            with pytest.raises(StaleSettings, match="settings of bob were changed by somebody else"):
                await settings.write("bob", "enabled = false\n", "", OLGA, over=over)
        with pytest.raises(StaleSettings):
            await settings.remove(seen, OLGA)
        assert [each.text for each in await settings.history("bob")] == [TWO, ONE]

    async def test_many_who_write_at_once_are_one_after_another(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        await settings.write("bob", ONE, "", OLGA, over="")

        async def add(number: int) -> None:
            while True:
                seen = await settings.read("bob")
                assert seen is not None
                try:
                    await settings.write("bob", f"{seen.text}# {number}\n", "", OLGA, over=seen.mark)
                except StaleSettings:
                    continue
                return

        await asyncio.gather(*map(add, range(12)))
        found = await settings.read("bob")
        assert found is not None
        assert found.version == "13"
        assert sorted(found.text.splitlines()) == sorted([ONE.strip(), *(f"# {number}" for number in range(12))])

    async def test_what_was_changed_by_hand_is_refused_as_stale_and_kept(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        await settings.write("bob", ONE, "", OLGA, over="")
        seen = await settings.read("bob")
        assert seen is not None
        await bus.do("HSET", keys.user_settings("bob"), "text", "by = 'hand'\n")
        with pytest.raises(StaleSettings):
            await settings.write("bob", TWO, "", OLGA, over=seen.mark)
        now = await settings.read("bob")
        assert now is not None
        assert await settings.write("bob", TWO, "", OLGA, over=now.mark) == "3"
        kept = [(each.version, each.kind, each.text) for each in await settings.history("bob")]
        assert kept == [("3", "set", TWO), ("2", "by hand", "by = 'hand'\n"), ("1", "set", ONE)]

    @pytest.mark.parametrize(
        "broken", [("SET", "words"), ("XADD", "*", "text", ONE), ("HSET", "version", "1"), ("HSET", "text", "")]
    )
    async def test_what_is_no_record_can_be_replaced(self, bus: Bus, broken: tuple[str, ...]) -> None:
        settings = UserSettings(bus)
        await settings.write("bob", ONE, "", OLGA, over="")
        await bus.do("DEL", keys.user_settings("bob"))
        await bus.do(broken[0], keys.user_settings("bob"), *broken[1:])
        found = await settings.read("bob")
        assert found is not None
        assert found.mark == "broken"
        assert int(await settings.write("bob", TWO, "", OLGA, over=found.mark)) > 1
        again = await settings.read("bob")
        assert again is not None
        assert again.text == TWO

    async def test_the_history_is_bounded_and_outlives_the_user(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        for number in range(KEPT + 5):
            seen = await settings.read("bob")
            await settings.write("bob", f"# {number}\n", "", OLGA, over=seen.mark if seen else "")
        seen = await settings.read("bob")
        assert seen is not None
        await settings.remove(seen, Author("ole", 1, "left"))
        assert (await settings.read("bob"), await settings.names()) == (None, [])
        kept = await settings.history("bob")
        assert len(kept) == KEPT
        assert (kept[0].kind, kept[0].by, kept[0].text) == ("remove", "ole", f"# {KEPT + 4}\n")
        assert await settings.write("bob", ONE, "", OLGA, over="", kind=SettingsKind.RESTORE) == str(KEPT + 7)

    async def test_an_older_announcement_that_comes_late_changes_no_group(self, bus: Bus) -> None:
        settings = UserSettings(bus)
        await settings.write("bob", ONE, "", OLGA, over="")
        seen = await settings.read("bob")
        assert seen is not None
        await settings.write("bob", 'group = "eu-1"\n', "eu-1", OLGA, over=seen.mark)
        await settings._announce("bob", "1", "us")
        assert str(await bus.do("HGET", keys.USER_SETTINGS, "bob")).endswith(" eu-1")


class TestChangesThatNobodyAnnounced:
    """Somebody writes with redis-cli, or a process dies between the record and the index."""

    async def test_they_are_found_in_the_users_turn(
        self, bus: Bus, place: Records, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings_source, "_IN_TURN", 2)
        for number in range(5):
            await place.put(f"u{number}", ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await place.damage("u4", TWO)
        for _ in range(6):
            await source.refresh()
            watch.look()
        assert {str(each.sizing.multiplier) for each in watch.users.values()} == {"1", "2"}
        assert str(watch.users["u4"].sizing.multiplier) == "2"

    async def test_a_removed_record_and_one_that_is_back(self, bus: Bus, place: Records, config: Path) -> None:
        await place.put("bob", ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        before = await bus.do("HGETALL", keys.user_settings("bob"))
        await bus.do("DEL", keys.user_settings("bob"))
        await settled(watch, source)
        assert (list(watch.users), list(watch.gone)) == ([], ["bob"])
        assert watch.gone["bob"].fault.startswith("shoal:user_settings:{bob}: the record is gone; no entries")
        await bus.do("HSET", keys.user_settings("bob"), *before)
        await settled(watch, source)
        assert (list(watch.users), list(watch.gone)) == (["bob"], [])

    @pytest.mark.parametrize("broken", [("SET", "words"), ("HSET", "version", "1")])
    async def test_what_is_no_record_is_its_users_problem_alone(
        self, bus: Bus, place: Records, config: Path, broken: tuple[str, ...]
    ) -> None:
        for user in ("alice", "bob"):
            await place.put(user, ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await bus.do("DEL", keys.user_settings("bob"))
        await bus.do(broken[0], keys.user_settings("bob"), *broken[1:])
        (problem,) = await settled(watch, source)
        assert problem.startswith("shoal:user_settings:{bob}: ")
        assert [str(each.sizing.multiplier) for each in watch.users.values()] == ["1", "1"]

    async def test_a_group_that_the_index_does_not_know_keeps_the_user_where_they_are(
        self, bus: Bus, place: Records, config: Path
    ) -> None:
        await place.put("bob", 'group = "eu-1"\n')
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await place.damage("bob", 'group = "us"\n')
        (problem,) = await settled(watch, source)
        assert "group is us, but the index says eu-1: `ops reload` corrects the index" in problem
        assert watch.users["bob"].group == "eu-1"
        assert await UserSettings(bus).repair_index(group_of) == ["bob"]
        await settled(watch, source)
        assert (watch.users["bob"].group, watch.users["bob"].fault) == ("us", "")

    async def test_reload_adds_what_died_before_it_was_in_the_index_and_drops_what_is_gone(
        self, bus: Bus, place: Records, config: Path
    ) -> None:
        for user in ("alice", "bob"):
            await place.put(user, ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await bus.do("HDEL", keys.USER_SETTINGS, "bob")
        await bus.do("DEL", keys.user_settings("alice"))
        assert await UserSettings(bus).repair_index(group_of) == ["bob"]
        await settled(watch, source)
        assert (list(watch.users), list(watch.gone)) == (["bob"], ["alice"])
        assert await UserSettings(bus).names() == ["bob"]


class TestLosses:
    """Redis without settings is an outage, and not the end of all users."""

    async def test_an_index_that_is_gone_takes_no_user_away(self, bus: Bus, place: Records, config: Path) -> None:
        await place.put("bob", ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await bus.do("DEL", keys.USER_SETTINGS)
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="is gone, so all users keep their settings"):
                await source.refresh()
            assert watch.look() == ([], [])
        assert list(watch.users) == ["bob"]
        await UserSettings(bus).repair_index(group_of)
        assert await settled(watch, source) == []
        assert list(watch.users) == ["bob"]

    async def test_an_older_version_than_the_index_names_is_not_taken(
        self, bus: Bus, place: Records, config: Path
    ) -> None:
        """A server of a cluster failed over and lost its last write: somebody's limit would be gone without a word."""
        await place.put("alice", ONE)
        await place.put("bob", "[limits]\nmax_positions = 9\n")
        former = await bus.do("HGETALL", keys.user_settings("bob"))
        await place.put("bob", "[limits]\nmax_positions = 1\n")
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await bus.do("DEL", keys.user_settings("bob"))
        await bus.do("HSET", keys.user_settings("bob"), *former)
        (problem,) = await settled(watch, source)
        assert "Redis has lost version 2 of these settings (version 1 is left)" in problem
        assert watch.users["bob"].limits.max_positions == 1, "who has the lost version goes on with it"
        again = RedisUserSource(bus, config)
        await again.refresh()
        begun = UsersWatch(config, source=again)
        assert begun.users["bob"].fault.startswith("shoal:user_settings:{bob}: Redis has lost version 2")
        assert begun.users["alice"].fault == ""
        await UserSettings(bus).repair_index(group_of)
        await settled(watch, source)
        assert (watch.users["bob"].limits.max_positions, watch.users["bob"].fault) == (9, "")

    async def test_a_reading_that_fails_half_way_goes_on_at_the_next_look(
        self, bus: Bus, place: Records, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings_source, "_PAGE", 2)
        monkeypatch.setattr(settings_source, "_IN_TURN", 0)
        for number in range(5):
            await place.put(f"u{number}", ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        for number in range(5):
            await place.put(f"u{number}", TWO)
        whole, calls = Bus.do_all, [0]

        async def fail(self: Bus, commands: Sequence[Command]) -> list[Any]:
            calls[0] += 1
            if calls[0] == 3:  # the second page of records
                raise BusUnavailable("Redis: the connection was lost")
            return await whole(self, commands)

        with monkeypatch.context() as patched:
            patched.setattr(Bus, "do_all", fail)
            with pytest.raises(ConfigurationError, match="the connection was lost"):
                await source.refresh()
        await settled(watch, source)
        assert {str(each.sizing.multiplier) for each in watch.users.values()} == {"2"}

    async def test_the_last_user_can_be_removed(self, bus: Bus, place: Records, config: Path) -> None:
        await place.put("bob", ONE)
        source = RedisUserSource(bus, config)
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await place.drop("bob")
        await settled(watch, source)
        assert list(watch.users) == []

    async def test_a_running_watch_says_that_it_cannot_read(self, bus: Bus, place: Records, config: Path) -> None:
        await place.put("bob", ONE)
        settings = Settings(shoal_config=config, shoal_config_source=ConfigSource.REDIS)
        watch = await open_watch(settings, bus)
        await bus.do("SET", keys.USER_SETTINGS, "words")
        assert not await watch._refreshed()
        assert "cannot be read" in watch._folder_fails
        assert list(watch.users) == ["bob"]


class TestOneGroup:
    """The executors of a group read their own users' settings, and of others only that they are another group's."""

    @pytest.fixture
    async def of_group(self, own_server: RedisServer, own_bus: Bus) -> AsyncIterator[Bus]:
        """A connection as the Redis user of a group with bob."""
        await own_bus.do("ACL", "SETUSER", "g", *rules("executor", ["bob"]).split(), ">of-the-group")
        async with open_bus(f"redis://g:of-the-group@127.0.0.1:{own_server.port}/0", "test") as connected:
            yield connected

    async def test_it_sees_its_users_settings_and_others_groups(
        self, own_bus: Bus, of_group: Bus, config: Path
    ) -> None:
        place = Records(config, own_bus)
        await place.put("bob", 'group = "eu-1"\nsizing.multiplier = 3\n')
        await place.put("zoe", 'group = "us"\nsizing.multiplier = 9\n')
        await place.put("alice", "sizing.multiplier = 9\n")
        source = RedisUserSource(of_group, config, ("eu-1",))
        await source.refresh()
        watch = UsersWatch(config, source=source)
        assert {user: (each.group, str(each.sizing.multiplier)) for user, each in watch.users.items()} == {
            "alice": ("", "1"), "bob": ("eu-1", "3"), "zoe": ("us", "1"),
        }  # fmt: skip
        for key in (keys.user_settings("zoe"), keys.user_settings_history("zoe")):
            with pytest.raises(BusForbidden):
                await of_group.do("HGETALL" if "history" not in key else "XLEN", key)
        for command in (
            ("HSET", keys.user_settings("bob"), "text", ""),
            ("HSET", keys.USER_SETTINGS, "bob", "9 x us"),
            ("XADD", keys.user_settings_history("bob"), "*", "text", ""),
            ("DEL", keys.user_settings("bob")),
        ):
            with pytest.raises(BusForbidden):
                await of_group.do(*command)

    async def test_a_user_who_goes_over_to_another_group_is_not_taken_for_gone(
        self, own_bus: Bus, of_group: Bus, config: Path
    ) -> None:
        place = Records(config, own_bus)
        await place.put("bob", 'group = "eu-1"\nsizing.multiplier = 3\n')
        source = RedisUserSource(of_group, config, ("eu-1",))
        await source.refresh()
        watch = UsersWatch(config, source=source)
        await place.put("bob", 'group = "us"\nsizing.multiplier = 3\n')
        await settled(watch, source)
        assert (watch.users["bob"].group, str(watch.users["bob"].sizing.multiplier), list(watch.gone)) == (
            "us", "3", [],
        )  # fmt: skip

    async def test_a_newcomer_whom_redis_still_hides_waits_for_the_rights_and_keeps_no_other(
        self, own_bus: Bus, of_group: Bus, config: Path
    ) -> None:
        place = Records(config, own_bus)
        for user in ("bob", "dave"):
            await place.put(user, 'group = "eu-1"\nsizing.multiplier = 3\n')
        source = RedisUserSource(of_group, config, ("eu-1",))
        await source.refresh()
        found = source.read("dave.toml")
        assert isinstance(found, FileProblem)
        assert found.passing
        assert "ops acl --apply" in found.why
        watch = UsersWatch(config, source=source)
        await place.put("bob", 'group = "eu-1"\nsizing.multiplier = 4\n')
        await settled(watch, source)
        assert (str(watch.users["bob"].sizing.multiplier), watch.users["dave"].group) == ("4", "eu-1")
        await own_bus.do("ACL", "SETUSER", "g", *rules("executor", ["bob", "dave"]).split(), ">of-the-group")
        await settled(watch, source)
        await settled(watch, source)
        assert (str(watch.users["dave"].sizing.multiplier), watch.users["dave"].fault) == ("3", "")

    async def test_the_api_writes_settings_and_engine_and_notifier_only_read_them(
        self, own_server: RedisServer, own_bus: Bus, config: Path
    ) -> None:
        for service in ("api", "copy-engine", "notifier", "executor", "master-strategy"):
            await own_bus.do("ACL", "SETUSER", service, *rules(service).split(), f">of-{service}")
        url = f"redis://{{0}}:of-{{0}}@127.0.0.1:{own_server.port}/0"
        async with open_bus(url.format("api"), "test") as bus:
            settings = UserSettings(bus)
            await settings.write("bob", ONE, "", OLGA, over="")
            seen = await settings.read("bob")
            assert seen is not None
            await settings.write("bob", TWO, "", OLGA, over=seen.mark)
            await settings.repair_index(group_of)
            assert len(await settings.history("bob")) == 2
        for service in ("copy-engine", "notifier", "executor", "master-strategy"):
            async with open_bus(url.format(service), "test") as bus:
                source = RedisUserSource(bus, config)
                await source.refresh()
                assert str(UsersWatch(config, source=source).users["bob"].sizing.multiplier) == "2"
                for command in (
                    ("HSET", keys.user_settings("bob"), "text", ONE),
                    ("DEL", keys.user_settings("bob")),
                    ("HSET", keys.USER_SETTINGS, "bob", "9 x us"),
                    ("HDEL", keys.USER_SETTINGS, "bob"),
                    ("XADD", keys.user_settings_history("bob"), "*", "text", ONE),
                ):
                    with pytest.raises(BusForbidden):
                        await bus.do(*command)
        assert await own_bus.do("HGET", keys.user_settings("bob"), "text") == TWO
        async with open_bus(url.format("api"), "test") as bus:
            now = await UserSettings(bus).read("bob")
            assert now is not None
            await UserSettings(bus).remove(now, OLGA)
