"""`ops user show, set, history, restore, export, import`, with the settings of users in files and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.users.user_settings import UserSettings
from shared.config.users.loader import load_users
from shared.contracts import keys
from shared.operations.control_log import read_changes
from tests.integration.ops.command import Ran
from tests.integration.ops.users_command import ALICE, Run

Ops = Callable[..., Awaitable[Ran]]


@pytest.fixture(params=["files", "redis"])
async def user(request: pytest.FixtureRequest, run: Run, config: Path) -> Ops:
    """Run `ops user` with the settings in one of the two places, where alice has hers."""
    source: str = request.param

    async def run_it(*words: str, **env: str) -> Ran:
        return await run(*words, SHOAL_CONFIG_SOURCE=source, **env)

    if source == "redis":
        assert (await run_it("import", str(config / "users"))).code == 0
        (config / "users" / "alice.toml").write_text("enabled = false\n")  # files count no more
    return run_it


async def test_a_setting_is_set_shown_and_restored_with_its_comments(user: Ops, bus: Bus) -> None:
    shown = await user("show", "alice")
    assert shown.out.startswith(ALICE)
    ran = await user("set", "alice", "limits.max_positions=3", "limits.max_order_pct=25", "--reason", "agreed", "--yes")
    assert ran.code == 0, ran.err
    assert "no entry above 25 % of the equity (limits.max_order_pct: not set -> 25)" in ran.out
    text = (await user("show", "alice", "--json")).json["text"]
    assert text == ALICE.replace("max_positions = 8", "max_positions = 3") + "max_order_pct = 25\n"
    versions = (await user("history", "alice", "--json")).json["versions"]
    assert len(versions) == 2
    former = (await user("show", "alice", "--version", versions[1]["version"], "--json")).json
    assert former["text"] == ALICE
    again = await user("restore", "alice", versions[1]["version"], "--reason", "too tight", "--yes")
    assert again.code == 0, again.err
    assert "-max_order_pct = 25" in again.out
    assert (await user("show", "alice", "--json")).json["text"] == ALICE
    changes = await read_changes(bus, 2)
    assert [(each.of, each.action, each.reason) for each in changes] == [
        ("alice", "settings", "too tight"),
        ("alice", "settings", "agreed"),
    ]
    repeated = await user("restore", "alice", versions[1]["version"], "--reason", "x", "--yes")
    assert (repeated.code, "already" in repeated.err) == (2, True)


async def test_what_cannot_be_is_refused_in_one_line(user: Ops) -> None:
    for words, said in (
        (("set", "alice", "limits.max_order_pct=250"), "limits.max_order_pct: must be above 0 and at most 100"),
        (("set", "alice", "limits.max_order=2"), "there is no setting 'limits.max_order'"),
        (("set", "alice", "limits.max_positions"), "write KEY=VALUE"),
        (("set", "alice", "limits.max_positions=8"), "nothing of alice's settings would change"),
        (("set", "zed", "limits.max_positions=8"), "there is no user 'zed'"),
        (("set", "../alice", "limits.max_positions=8"), "there is no user"),
        (("restore", "alice", "77"), "has no version '77'"),
        (("restore", "zed", "1"), "has no version '1'"),
    ):
        ran = await user(*words, "--reason", "test", "--yes")
        assert (ran.code, said in ran.err, ran.err.count("\n")) == (2, True, 1), ran.err
    assert (await user("show", "alice", "--json")).json["text"] == ALICE


async def test_users_come_change_and_go(user: Ops) -> None:
    assert (await user("add", "dave", "--group", "nowhere")).code == 2
    ran = await user("add", "dave")
    assert ran.code == 0, ran.err
    assert (await user("add", "dave")).code == 2
    assert (await user("disable", "dave", "--on-leave", "exits_only")).code == 0
    text = (await user("show", "dave", "--json")).json["text"]
    assert text.startswith('on_leave = "exits_only"\n')
    assert "enabled = false" in text
    rows = (await user("list", "--json")).json["users"]
    assert [(row["user"], row["state"]) for row in rows] == [
        ("alice", "enabled"),
        ("dave", "disabled, on_leave = exits_only"),
    ]
    assert (await user("rename", "dave", "david", "--yes")).code == 0
    assert (await user("show", "david", "--json")).json["text"] == text
    assert (await user("show", "dave")).code == 2
    ran = await user("remove", "david", "--yes", "--wait", "0")
    assert ran.code == 0, ran.err
    assert [row["user"] for row in (await user("list", "--json")).json["users"]] == ["alice"]


async def test_what_is_exported_is_what_was_written_and_can_be_imported(user: Ops, tmp_path: Path) -> None:
    odd = "\ufeff# é 漢字 𝔸\r\nenabled = true\r\n\r\n\r\n[limits]  # no line end"
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "bob.toml").write_bytes(odd.encode())
    (folder / ".bob.toml.swp").write_text("an editor's")
    assert (await user("import", str(folder))).code == 0
    ran = await user("export", "--to", str(tmp_path / "out"), "--json")
    assert ran.json["users"] == ["alice", "bob"]
    out = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert out == {"alice.toml": ALICE.encode(), "bob.toml": odd.encode()}
    assert (await user("import", str(tmp_path / "out"), "--json")).json == {
        "new": [], "replaced": [], "same": ["alice", "bob"],
    }  # fmt: skip
    again = await user("export", "--to", str(tmp_path / "out"))
    assert (again.code, "name another folder" in again.err) == (2, True)


async def test_an_import_is_whole_or_nothing_and_replaces_only_when_told(user: Ops, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "alice.toml").write_text("enabled = false\n")
    (folder / "bob.toml").write_text("enabled = maybe\n")
    ran = await user("import", str(folder), "--replace")
    assert (ran.code, "bob: not valid TOML" in ran.err) == (2, True), ran.err
    (folder / "bob.toml").write_text("enabled = true\n")
    ran = await user("import", str(folder))
    assert (ran.code, "alice: the settings are others here; --replace" in ran.err) == (2, True), ran.err
    assert [row["user"] for row in (await user("list", "--json")).json["users"]] == ["alice"]
    done = await user("import", str(folder), "--replace", "--json")
    assert done.json == {"new": ["bob"], "replaced": ["alice"], "same": []}
    assert (await user("show", "alice", "--json")).json["text"] == "enabled = false\n"


async def test_settings_move_from_files_into_redis_and_back(run: Run, bus: Bus, config: Path, tmp_path: Path) -> None:
    (config / "users" / "bob.toml").write_text("# his\n")
    before = dict(load_users(config))
    assert (await run("export", "--to", str(tmp_path / "moved"))).code == 0
    ran = await run("import", str(tmp_path / "moved"), SHOAL_CONFIG_SOURCE="redis")
    assert ran.code == 0, ran.err
    assert await UserSettings(bus).names() == ["alice", "bob"]
    for path in (config / "users").iterdir():
        path.unlink()
    (config / "users").rmdir()  # with settings in Redis the folder is not needed
    assert (
        await run("set", "bob", "limits.max_positions=2", "--reason", "x", "--yes", SHOAL_CONFIG_SOURCE="redis")
    ).code == 0
    other = tmp_path / "other"
    assert (await run("export", "--to", str(other / "users"), SHOAL_CONFIG_SOURCE="redis")).code == 0
    after = dict(load_users(other))
    assert after["alice"] == before["alice"]
    assert after["bob"].limits.max_positions == 2
    assert (other / "users" / "bob.toml").read_text() == "# his\n\n[limits]\nmax_positions = 2\n"


async def test_a_broken_record_is_shown_listed_and_repaired(run: Run, bus: Bus, config: Path) -> None:
    env = {"SHOAL_CONFIG_SOURCE": "redis"}
    assert (await run("import", str(config / "users"), **env)).code == 0
    await bus.do("HSET", keys.user_settings("alice"), "text", "enabled = maybe\n")
    shown = await run("show", "alice", **env)
    assert "services cannot use it: not valid TOML" in shown.out
    rows = (await run("list", "--json", **env)).json["users"]
    assert rows[0]["state"].startswith("bad file: not valid TOML")
    await bus.do("DEL", keys.user_settings("alice"))
    await bus.do("SET", keys.user_settings("alice"), "words")
    ran = await run("restore", "alice", "1", "--reason", "by hand", "--yes", **env)
    assert ran.code == 0, ran.err
    assert (await run("show", "alice", "--json", **env)).json["text"] == ALICE


async def test_of_two_operators_at_once_one_is_refused(run: Run, bus: Bus, config: Path) -> None:
    env = {"SHOAL_CONFIG_SOURCE": "redis"}
    assert (await run("import", str(config / "users"), **env)).code == 0
    ran = await asyncio.gather(
        *(
            run("set", "alice", f"limits.max_positions={number}", "--reason", "x", "--yes", **env)
            for number in range(1, 5)
        )
    )
    done = sum(each.code == 0 for each in ran)
    assert done >= 1
    assert all(each.code in {0, 2} and "Traceback" not in each.err for each in ran)
    seen = await UserSettings(bus).read("alice")
    assert seen is not None
    assert seen.version == str(1 + done)
