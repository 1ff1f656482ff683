"""Users' files while a service runs: what settles is taken over, what is wrong changes nothing, and all of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.config.users import watch as users_watch
from shared.config.users.changes import ChangeKind, SettingChange, UserChange, changes, differences, settings_of
from shared.config.users.watch import UsersWatch
from shared.domain.fault import Faults
from shared.domain.limits.policy import ExitPolicy, FileState, OnLeave, SymbolPolicy, UserPolicy
from shared.domain.values.symbol import Symbol
from tests.support.examples import a_policy


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with alice and bob."""
    (tmp_path / "users").mkdir()
    for user in ("alice", "bob"):
        write(tmp_path, user, "sizing.multiplier = 1")
    return tmp_path


def write(config: Path, user: str, text: str) -> Path:
    """Write a user's file."""
    path = config / "users" / f"{user}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def looked_twice(watch: UsersWatch) -> tuple[list[UserChange], list[str]]:
    """Look until what has changed is settled."""
    assert watch.look() == ([], [])
    return watch.look()


def test_nothing_changed_is_nothing_told(config: Path) -> None:
    watch = UsersWatch(config)
    assert [watch.look() for _ in range(3)] == [([], [])] * 3


def test_a_changed_setting_is_in_force_after_two_looks_and_told_with_both_values(config: Path) -> None:
    watch = UsersWatch(config)
    write(config, "bob", "sizing.multiplier = 0.25\nlimits.max_order_pct = 10")
    found, problems = looked_twice(watch)
    assert problems == []
    (change,) = found
    assert (change.user, change.kind) == ("bob", ChangeKind.CHANGED)
    assert [str(each) for each in change.settings] == [
        "sizing.multiplier: 1 -> 0.25",
        "limits.max_order_pct: not set -> 10",
    ]
    assert watch.users["bob"].sizing.multiplier == Decimal("0.25")
    assert watch.look() == ([], [])


def test_a_file_that_is_still_being_written_is_waited_for(config: Path) -> None:
    watch = UsersWatch(config)
    write(config, "bob", "")  # an editor truncates first: this would be a user without any limit
    assert watch.look() == ([], [])
    write(config, "bob", "limits.max_order_pct = 1")
    assert watch.look() == ([], [])
    assert watch.users["bob"].limits.max_order_pct is None
    assert [change.user for change in watch.look()[0]] == ["bob"]
    assert watch.users["bob"].limits.max_order_pct == 1


def test_users_come_and_go(config: Path) -> None:
    watch = UsersWatch(config)
    write(config, "carol", "")
    (config / "users" / "alice.toml").unlink()
    assert looked_twice(watch) == ([UserChange("alice", ChangeKind.REMOVED), UserChange("carol", ChangeKind.ADDED)], [])
    assert list(watch.users) == ["bob", "carol"]


def test_a_file_that_is_gone_for_a_moment_was_never_gone(config: Path) -> None:
    watch = UsersWatch(config)
    path = config / "users" / "alice.toml"
    path.rename(path.with_suffix(".away"))
    assert watch.look() == ([], [])
    path.with_suffix(".away").rename(path)
    assert watch.look() == ([], [])
    assert "alice" in watch.users


def test_a_file_that_is_wrong_keeps_the_old_settings_and_stops_nobody_elses(config: Path) -> None:
    watch = UsersWatch(config)
    path = write(config, "alice", "sizing.multiplier = 500")
    write(config, "bob", "sizing.multiplier = 2")
    found, problems = looked_twice(watch)
    assert [change.user for change in found] == ["bob"]
    assert problems == [f"{path}: sizing.multiplier: must be above 0 and at most 100 (got 500)"]
    assert watch.users["alice"].sizing.multiplier == 1
    assert watch.look() == ([], [])  # said once
    write(config, "alice", "sizing.multiplier = 0.5")
    assert [change.user for change in looked_twice(watch)[0]] == ["alice"]


def test_a_new_user_whose_key_would_be_anothers_is_refused(config: Path) -> None:
    write(config, "ann-lee", "")
    watch = UsersWatch(config)
    path = write(config, "ann_lee", "")
    found, problems = looked_twice(watch)
    assert found == [UserChange("ann_lee", ChangeKind.ADDED)]
    assert problems == [f"{path}: the users ann-lee and ann_lee would share one key variable; rename one"]
    assert watch.users["ann_lee"].fault.startswith(problems[0])  # their signals are skipped with this reason
    assert not watch.users["ann-lee"].fault


def test_a_folder_that_is_gone_removes_nobody(config: Path) -> None:
    watch = UsersWatch(config)
    (config / "users").rename(config / "elsewhere")
    assert [watch.look() for _ in range(3)] == [([], [])] * 3
    assert list(watch.users) == ["alice", "bob"]


def test_a_start_with_a_wrong_file_goes_on_with_that_user_stopped(config: Path) -> None:
    path = write(config, "alice", "enabld = true")
    watch = UsersWatch(config)
    problem = f"{path}: enabld is not a known setting (did you mean enabled?)"
    assert watch.users["alice"].fault == f"{problem}; no entries are copied, exits go on by the default settings"
    assert not watch.users["bob"].fault
    write(config, "alice", "enabled = true")
    looked_twice(watch)
    assert not watch.users["alice"].fault


async def test_a_service_is_given_all_users_and_the_difference_is_logged(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users_watch, "_EVERY", 0.01)
    watch, given = UsersWatch(config), asyncio.Queue[Mapping[str, UserPolicy]]()
    running = asyncio.create_task(watch.run(given.put_nowait))
    with capture_logs() as logs:
        path = write(config, "alice", "enabled = 5")
        write(config, "bob", "guards.max_signal_age = '10s'")
        async with asyncio.timeout(10):
            users = await given.get()
    running.cancel()
    assert users["bob"].guards.max_signal_age_ms == 10_000
    assert {"event": "setting changed", "log_level": "info", "user": "bob", "setting": "guards.max_signal_age"} | {
        "old": "30s",
        "new": "10s",
    } in logs
    (refused,) = [line for line in logs if line["log_level"] == "error"]
    assert refused["reason"].startswith(f"{path}: enabled: ")


def test_every_setting_of_a_policy_has_a_key_and_a_text() -> None:
    symbols = SymbolPolicy(map={Symbol("BTC", "USD"): Symbol("BTC", "USDC")}, exclude=frozenset({Symbol("SOL", "USD")}))
    told = settings_of(a_policy(symbols=symbols, exits=ExitPolicy(stop_loss_pct=None, max_hold_ms=1500)))
    assert told["enabled"] == "true"
    assert told["venues"] == "kraken"
    assert told["sizing.mode"] == "equity"
    assert told["guards.max_signal_age"] == "30s"
    assert (told["exits.stop_loss_pct"], told["exits.max_hold"]) == ("not set", "1.5s")
    assert (told["symbols.map"], told["symbols.exclude"]) == ("BTC/USD -> BTC/USDC", "SOL/USD")
    assert told["symbols.include"] == "none"
    assert "user" not in told


def test_follow_is_told_master_by_master_with_its_defaults() -> None:
    old, new = (
        a_policy(venues=("kraken", "coinbase")),
        a_policy(venues=("kraken", "coinbase"), follow=(("kraken", "coinbase"),)),
    )
    assert [str(each) for each in differences(old, new)] == [
        "follow.kraken: kraken -> coinbase",
        "follow.coinbase: coinbase -> none",
    ]
    assert not {"former_masters", "waiting"} & settings_of(new).keys()


def test_differences_are_told_by_user_in_order() -> None:
    old = {"bob": a_policy("bob"), "zoe": a_policy("zoe")}
    new = {"bob": a_policy("bob", paper=True), "alice": a_policy("alice"), "zoe": a_policy("zoe")}
    assert changes(old, new) == [
        UserChange("alice", ChangeKind.ADDED),
        UserChange("bob", ChangeKind.CHANGED, (SettingChange("paper", "false", "true"),)),
    ]


async def test_the_more_a_look_costs_the_rarer_it_is(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs, pauses = [0.0001, 0.004, 60.0], []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > len(costs):
            raise asyncio.CancelledError

    watch = UsersWatch(config)
    monkeypatch.setattr(watch, "_timed_look", lambda: ([], [], costs[len(pauses) - 1]))
    monkeypatch.setattr("shared.config.users.watch.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await watch.run(lambda _: None)
    assert pauses == [1.0, 1.0, 4.0, 10.0]


async def test_what_has_changed_is_looked_at_again_soon(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            write(config, "bob", "sizing.multiplier = 0.25")
        if watch.users["bob"].sizing.multiplier == Decimal("0.25"):
            raise asyncio.CancelledError

    watch = UsersWatch(config)
    monkeypatch.setattr("shared.config.users.watch.time.thread_time", iter(range(100)).__next__)
    monkeypatch.setattr("shared.config.users.watch.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await watch.run(lambda _: None)
    assert pauses == [1.0, 10.0, 1.0, 10.0]


def test_a_renamed_file_leaves_its_user_for_exits_only(config: Path) -> None:
    """Case F2: it may be a slip, so nobody's stop goes with it; who is to keep what they hold is disabled first."""
    write(config, "bob", 'on_leave = "close_now"')
    write(config, "carol", 'enabled = false\non_leave = "exits_only"')
    write(config, "keeper", "enabled = false")
    faults = Faults()
    watch = UsersWatch(config, faults)
    for user in ("alice", "bob", "carol", "keeper"):
        (config / "users" / f"{user}.toml").rename(config / "users" / f"{user}.away")
    looked_twice(watch)
    assert list(watch.users) == []
    assert [(user, each.enabled, each.on_leave, each.file) for user, each in watch.everybody.items()] == [
        ("alice", False, OnLeave.EXITS_ONLY, FileState.GONE),
        ("bob", False, OnLeave.CLOSE_NOW, FileState.GONE),
        ("carol", False, OnLeave.EXITS_ONLY, FileState.GONE),
    ]
    assert watch.gone["alice"].fault == (
        f"{config}/users/alice.toml: the file is gone; no entries are copied, exits go on by the last settings known"
    )
    assert not faults.standing  # nobody has looked yet whether they hold anything
    assert watch.settle_gone({"alice"})
    assert list(watch.gone) == ["alice"]
    assert "alice" in str(faults.standing)
    (config / "users" / "alice.away").rename(config / "users" / "alice.toml")
    looked_twice(watch)
    assert not watch.settle_gone({"alice"})
    assert watch.gone == {}
    assert watch.users["alice"].fault == ""
    assert "alice" not in str(faults.standing)


def test_a_start_recalls_the_last_settings_of_users_whose_file_is_bad_or_gone(config: Path) -> None:
    """Case F2, case E2."""
    write(config, "bob", "enabld = true")
    last = {user: a_policy(user, exits=ExitPolicy(stop_loss_pct=Decimal(7))) for user in ("bob", "carol", "alice")}
    watch = UsersWatch(config)
    watch.restore(last, {"carol", "dave", "not a user"})
    assert {user: (each.exits.stop_loss_pct, each.file) for user, each in watch.everybody.items()} == {
        "alice": (Decimal(5), FileState.GOOD),  # a file decides
        "bob": (Decimal(7), FileState.BAD),
        "carol": (Decimal(7), FileState.GONE),
        "dave": (Decimal(5), FileState.GONE),
    }
    assert watch.users["bob"].fault.endswith("exits go on by the last settings known")
    assert watch.gone["dave"].fault.endswith("exits go on by the default settings")


def test_who_shares_a_variable_is_read_once_the_other_has_gone(config: Path) -> None:
    write(config, "ann-lee", "")
    write(config, "ann_lee", "")
    watch = UsersWatch(config)
    assert {watch.users[user].file for user in ("ann-lee", "ann_lee")} == {FileState.SHARED}
    (config / "users" / "ann_lee.toml").unlink()
    looked_twice(watch)
    looked_twice(watch)
    assert watch.users["ann-lee"].file is FileState.GOOD
