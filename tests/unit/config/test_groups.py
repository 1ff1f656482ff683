"""Groups of users: shared settings under each user's own, and whose error an error is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.users.changes import ChangeKind
from shared.config.users.loader import FileProblem, load_users, read_user
from shared.config.users.settings_version import write_version
from shared.config.users.text import read_settings, write_settings
from shared.config.users.user_files import UserFiles
from shared.config.users.watch import UsersWatch
from shared.domain.limits.policy import FileState, SizingMode, UserPolicy
from shared.domain.stages.stage import Stage
from tests.support.examples import a_policy

SHARED = """
venues = ["kraken", "coinbase"]
[sizing]
multiplier = 0.5
[limits]
max_order_pct = 20
max_positions = 3
[stage]
start = 0.25
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    (tmp_path / "groups").mkdir()
    group(tmp_path, SHARED)
    return tmp_path


def group(config: Path, text: str, name: str = "eu-1") -> None:
    (config / "groups" / f"{name}.toml").write_text(text, encoding="utf-8")


def user(config: Path, text: str, name: str = "bob") -> Path:
    path = config / "users" / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def policy(config: Path, text: str) -> UserPolicy:
    found = read_user(user(config, text))
    assert isinstance(found, UserPolicy), found
    return found


def problem(config: Path, text: str) -> str:
    found = read_user(user(config, text))
    assert isinstance(found, FileProblem)
    return str(found).replace(str(config), "config")


def test_a_group_sets_what_the_users_file_does_not_say(config: Path) -> None:
    found = policy(config, 'group = "eu-1"')
    assert (found.user, found.group, found.venues) == ("bob", "eu-1", ("kraken", "coinbase"))
    assert (found.sizing.multiplier, found.limits.max_positions) == (Decimal("0.5"), 3)
    assert found.stage.start is Stage.QUARTER


def test_what_the_users_file_says_counts_key_by_key(config: Path) -> None:
    text = 'group = "eu-1"\nvenues = ["kraken"]\n[limits]\nmax_order_pct = 5\n[sizing]\nmode = "cash"\n'
    found = policy(config, text)
    assert found.venues == ("kraken",)
    assert (found.limits.max_order_pct, found.limits.max_positions) == (Decimal(5), 3)
    assert (found.sizing.mode, found.sizing.multiplier) == (SizingMode.CASH, Decimal("0.5"))


def test_what_is_no_table_replaces_the_groups_table(config: Path) -> None:
    assert policy(config, 'group = "eu-1"\nstage = "shadow"').stage.start is Stage.SHADOW


def test_a_user_without_a_group_has_none_of_it(config: Path) -> None:
    found = policy(config, "")
    assert (found.group, found.venues, found.limits.max_positions) == ("", ("kraken",), None)


@pytest.mark.parametrize("name", ["Eu-1", "eu_1", "../eu-1", "-eu", "e" * 33])
def test_a_name_that_cannot_be_a_groups_is_refused(config: Path, name: str) -> None:
    said = problem(config, f'group = "{name}"')
    assert said.startswith("config/users/bob.toml: group: the name of a group has up to 32 of a-z, 0-9 and -")


def test_a_group_without_a_file_is_an_error_of_the_user(config: Path) -> None:
    assert problem(config, 'group = "eu-2"') == "config/users/bob.toml: group: there is no file groups/eu-2.toml"


def test_an_error_of_the_group_names_its_file_and_key(config: Path) -> None:
    group(config, "[limits]\nmax_order_pct = 200")
    said = problem(config, 'group = "eu-1"')
    assert said == (
        "config/users/bob.toml: group: config/groups/eu-1.toml: limits.max_order_pct: must be above 0 and at most 100 (got 200)"
    )
    group(config, "[limits")
    assert problem(config, 'group = "eu-1"').startswith(
        "config/users/bob.toml: group: config/groups/eu-1.toml: not valid TOML: "
    )


def test_a_group_is_in_no_group(config: Path) -> None:
    group(config, 'group = "us"')
    assert "config/groups/eu-1.toml: group belongs to the files of users" in problem(config, 'group = "eu-1"')


def test_an_error_of_the_user_is_not_called_the_groups(config: Path) -> None:
    said = problem(config, 'group = "eu-1"\n[limits]\nmax_order = 5')
    assert said == "config/users/bob.toml: limits.max_order is not a known setting (did you mean max_order_pct?)"


def test_what_is_wrong_only_together_names_both_files(config: Path) -> None:
    group(config, '[sizing]\nmode = "fixed_quote"\nquote_amount = 100')
    said = problem(config, 'group = "eu-1"\n[sizing]\nmode = "cash"')
    assert said.startswith("config/users/bob.toml: together with the settings of config/groups/eu-1.toml: sizing: ")
    assert 'quote_amount has no effect with mode "cash"' in said


def test_a_setting_that_needs_another_may_find_it_in_the_group(config: Path) -> None:
    assert policy(config, 'group = "eu-1"\n[sizing]\nbelow_minimum = "round_up"').limits.max_order_pct == 20


def test_the_user_of_a_bad_file_stays_in_their_group(config: Path) -> None:
    """Else the executors without a group would use the key from another address."""
    user(config, 'group = "eu-1"\nnonsense = 1')
    found = load_users(config)["bob"]
    assert (found.file, found.group) == (FileState.BAD, "eu-1")


def test_the_last_settings_keep_the_group_and_a_version_has_none() -> None:
    of_group = a_policy("bob", group="eu-1")
    assert read_settings("bob", write_settings(of_group)) == of_group
    assert read_settings("bob", write_settings(a_policy("bob"))) == a_policy("bob")
    assert write_version(of_group) == write_version(a_policy("bob"))


def looked_twice(watch: UsersWatch) -> list[str]:
    watch.look()
    return [f"{change.user} {change.kind} {', '.join(map(str, change.settings))}" for change in watch.look()[0]]


def test_a_change_of_a_group_changes_its_users_and_no_other(config: Path) -> None:
    user(config, 'group = "eu-1"')
    user(config, 'group = "us"', "carol")
    group(config, "", "us")
    watch = UsersWatch(config)
    carol = watch.users["carol"]
    group(config, SHARED.replace("0.5", "0.75"))
    assert looked_twice(watch) == [f"bob {ChangeKind.CHANGED} sizing.multiplier: 0.5 -> 0.75"]
    assert watch.users["carol"] is carol
    assert looked_twice(watch) == []


def test_a_group_that_breaks_or_goes_leaves_the_former_settings(config: Path) -> None:
    user(config, 'group = "eu-1"')
    watch = UsersWatch(config)
    before = watch.users["bob"]
    for broken in (True, False):
        if broken:
            group(config, "nonsense = 1")
        else:
            (config / "groups" / "eu-1.toml").unlink()
        watch.look()
        changes, problems = watch.look()
        assert changes == []
        assert len(problems) == 1
        assert "bob.toml: group: " in problems[0]
        assert watch.users["bob"] == before
    group(config, SHARED.replace("0.5", "0.75"))
    assert looked_twice(watch) == [f"bob {ChangeKind.CHANGED} sizing.multiplier: 0.5 -> 0.75"]


def test_a_group_that_comes_repairs_its_users(config: Path) -> None:
    user(config, 'group = "late"')
    watch = UsersWatch(config)
    assert watch.users["bob"].fault
    group(config, "[limits]\nmax_positions = 7", "late")
    looked_twice(watch)
    assert (watch.users["bob"].fault, watch.users["bob"].limits.max_positions) == ("", 7)


def test_a_group_that_comes_after_its_user_takes_them_over(config: Path) -> None:
    """The user is still in the former group, whose settings are in force, when the file of the new one is written."""
    user(config, 'group = "eu-1"')
    watch = UsersWatch(config)
    user(config, 'group = "late"')
    assert looked_twice(watch) == []
    assert watch.users["bob"].group == "eu-1"
    group(config, "", "late")
    looked_twice(watch)
    assert (watch.users["bob"].group, watch.users["bob"].fault) == ("late", "")


def test_the_api_reads_users_of_a_changed_group_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user(config, 'group = "eu-1"')
    user(config, "", "carol")
    files = UserFiles(config)
    first = files.load()
    group(config, SHARED.replace("0.5", "0.75"))
    second = files.load()
    assert second["bob"].sizing.multiplier == Decimal("0.75")
    assert second["carol"] is first["carol"]
    monkeypatch.setattr("shared.config.users.source.read_user", lambda path: pytest.fail(f"{path} is read"))
    assert files.load()["bob"] is second["bob"]
