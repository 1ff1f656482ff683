"""`ops user`: commands that run at the same moment, what links have opened for a user, and a folder that cannot be written."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from services.ops.user.user_file import change_settings, replace_text
from shared.bus.connection import Bus
from shared.bus.users.user_settings import Author
from shared.config.errors import ConfigurationError
from shared.config.users import folder_lock
from shared.config.users.folder_lock import only_writer
from shared.config.users.loader import load_users
from shared.operations.errors import ActionRefused
from shared.operations.settings.file_store import FileStore, backups_of
from shared.sign_in.follower_links import FollowerLinks
from tests.integration.ops.users_command import ALICE, Run
from tests.support.signed_in import Site, running_site


def files_of(folder: Path) -> list[str]:
    """Return the names of all that is in a folder."""
    return sorted(path.name for path in folder.rglob("*"))


OLGA = Author("olga", 1_700_000_000_000)
NAMES = [f"n{number:02d}" for number in range(8)]


async def test_of_many_who_add_one_name_at_once_one_does(run: Run, config: Path) -> None:
    ran = await asyncio.gather(*(run("add", "dave", "--paper", "--wait", "0") for _ in range(4)))
    assert Counter(each.code for each in ran) == {0: 1, 2: 3}
    assert all("exists already" in each.err for each in ran if each.code)
    assert (config / "paper_accounts.toml").read_text().count("[accounts.dave.kraken]") == 1


async def test_many_who_add_names_at_once_lose_none(run: Run, config: Path) -> None:
    ran = await asyncio.gather(*(run("add", name, "--paper", "--wait", "0") for name in NAMES))
    assert [each.code for each in ran] == [0] * len(NAMES), [each.err for each in ran]
    assert set(NAMES) <= set(load_users(config))
    text = (config / "paper_accounts.toml").read_text()
    assert [name for name in NAMES if f"[accounts.{name}.kraken]" not in text] == []


async def test_removed_twice_at_once_the_user_is_gone_and_comes_not_back(run: Run, config: Path) -> None:
    ran = await asyncio.gather(
        *(run("remove", "alice", "--yes", "--wait", "6") for _ in range(3)), run("enable", "alice")
    )
    assert not (config / "users" / "alice.toml").exists()
    assert {each.code for each in ran} <= {0, 2}, [each.err for each in ran]
    assert [each.err for each in ran if "Traceback" in each.err] == []


async def test_renamed_twice_at_once_there_is_one_user(run: Run, config: Path, bus: Bus) -> None:
    del bus
    ran = await asyncio.gather(run("rename", "alice", "al", "--yes"), run("rename", "alice", "ally", "--yes"))
    assert sorted(each.code for each in ran) == [0, 2], [each.err for each in ran]
    assert len(load_users(config)) == 1


@pytest.mark.parametrize("name", ["ali ce", "ali\u0435", "ƒoo", "a" * 300, "a\u202eb", "~", "$(x)", "prices-kraken"])
async def test_odd_names_make_nothing(run: Run, config: Path, name: str) -> None:
    before = files_of(config)
    ran = await run("add", "--", name)
    assert (ran.code, "Traceback" in ran.err) == (2, False)
    assert files_of(config) == before


class TestLinks:
    """What links have opened ends with the user, and is not another's who comes to have the name."""

    @pytest.fixture
    async def site(self, bus: Bus) -> object:
        async with running_site(bus) as found:
            yield found

    async def test_with_a_user_their_sessions_and_links_go(self, run: Run, site: Site) -> None:
        alice, bob = await site.follower("alice"), await site.follower("bob")
        links = FollowerLinks(site.bus)
        unused = await links.create("alice")
        assert (await run("disable", "alice")).code == 0
        assert await alice.status("/session") == 200  # they may still hold something, and sell it
        assert (await run("remove", "alice", "--yes", "--wait", "0")).code == 0
        assert [await alice.status("/session"), await bob.status("/session")] == [401, 200]
        assert await links.redeem(unused) is None

    async def test_a_renamed_users_links_end_under_both_names(self, run: Run, site: Site) -> None:
        former, other = await site.follower("alice"), await site.follower("al")
        links = FollowerLinks(site.bus)
        unused = [await links.create(name) for name in ("alice", "al")]
        ran = await run("rename", "alice", "al", "--yes")
        assert ran.code == 0, ran.err
        assert [await each.status("/session") for each in (former, other)] == [401, 401]
        assert [await links.redeem(token) for token in unused] == [None, None]
        again = await site.follower("al")
        assert await again.status("/session") == 200

    async def test_who_comes_to_have_a_name_is_not_seen_by_its_former_follower(
        self,
        run: Run,
        site: Site,
        config: Path,
    ) -> None:
        former = await site.follower("alice")
        (config / "users" / "alice.toml").unlink()  # by hand, so that nothing of it was noticed
        assert (await run("add", "alice")).code == 0
        assert await former.status("/session") == 401


async def test_a_full_disk_leaves_the_file_as_it_was(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shared.operations.settings.file_store.os.fsync", full)
    path = config / "users" / "alice.toml"
    with pytest.raises(ActionRefused, match="No space left on device"):
        await change_settings(FileStore(config), config, "alice", OLGA, enabled=False)
    assert path.read_text() == ALICE
    assert [each.name for each in path.parent.iterdir() if not each.name.endswith(".bak")] == ["alice.toml"]


def test_a_folder_that_cannot_be_written_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    path = config / "users" / "alice.toml"
    with pytest.raises(ConfigurationError, match=r"alice.toml cannot be written: Read-only file system"):
        replace_text(path, "enabled = false\n")


def test_who_waits_for_another_writer_too_long_changes_nothing(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folder_lock, "_POLL", 0.001)
    path = config / "users" / "alice.toml"
    with only_writer(config):
        with pytest.raises(ConfigurationError, match="another command is changing users"), only_writer(config, 0.01):
            pass
        monkeypatch.setattr(folder_lock, "PATIENCE", 0.01)
    assert path.read_text() == ALICE
    with only_writer(config, 0.01):  # the lock ended with its holder
        pass


async def test_an_edit_of_the_page_and_a_command_exclude_each_other(config: Path) -> None:
    path = config / "users" / "alice.toml"
    store = FileStore(config)
    seen = await store.read("alice")
    await change_settings(store, config, "alice", OLGA, enabled=False)
    with pytest.raises(ActionRefused, match="was changed by somebody else"):
        await store.write("alice", "enabled = true\n", OLGA, over=seen)
    assert load_users(config)["alice"].enabled is False
    assert [each.read_text() for each in backups_of(path)] == [ALICE]
