"""What files and Redis promise alike: numbered cases, each run against both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.config.users.changes import ChangeKind, UserChange
from shared.config.users.user_files import UserFiles
from shared.config.users.watch import UsersWatch
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import FileState, OnLeave, UserPolicy
from tests.integration.bus.settings.places import Files, Place, Records

PLAIN = "sizing.multiplier = 1\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with a group and without users."""
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "eu-1.toml").write_text("[sizing]\nmultiplier = 0.5\n[limits]\nmax_positions = 3\n")
    return tmp_path


@pytest.fixture(params=["files", "redis"])
async def place(request: pytest.FixtureRequest, bus: Bus, config: Path) -> Place:
    """Each place with alice and bob."""
    made: Place = Files(config) if request.param == "files" else Records(config, bus)
    for user in ("alice", "bob"):
        await made.put(user, PLAIN)
    return made


async def begin(config: Path, place: Place, faults: Faults | None = None) -> UsersWatch:
    """Return a watch as a service opens it."""
    await place.source.refresh()
    return UsersWatch(config, faults, place.source)


async def look(watch: UsersWatch, place: Place) -> tuple[list[UserChange], list[str]]:
    """Look until what has changed is settled, as `UsersWatch.run` does."""
    found: tuple[list[UserChange], list[str]] = ([], [])
    for _ in range(2):
        await place.source.refresh()
        changes, problems = watch.look()
        found = found[0] + changes, found[1] + problems
    return found


def multipliers(users: Mapping[str, UserPolicy]) -> dict[str, str]:
    """Return the multiplier of each user."""
    return {user: str(policy.sizing.multiplier) for user, policy in users.items()}


async def test_01_a_start_reads_every_user(config: Path, place: Place) -> None:
    watch = await begin(config, place)
    assert multipliers(watch.users) == {"alice": "1", "bob": "1"}
    assert await look(watch, place) == ([], [])


async def test_02_a_changed_setting_is_taken_over_with_both_values(config: Path, place: Place) -> None:
    watch = await begin(config, place)
    alice = watch.users["alice"]
    await place.put("bob", "sizing.multiplier = 0.25\n")
    ((change,), problems) = await look(watch, place)
    assert (change.user, [str(each) for each in change.settings], problems) == (
        "bob", ["sizing.multiplier: 1 -> 0.25"], [],
    )  # fmt: skip
    assert multipliers(watch.users) == {"alice": "1", "bob": "0.25"}
    assert watch.users["alice"] is alice


async def test_03_users_come_and_go(config: Path, place: Place) -> None:
    watch = await begin(config, place)
    await place.put("carol", "")
    await place.drop("alice")
    assert await look(watch, place) == (
        [UserChange("alice", ChangeKind.REMOVED), UserChange("carol", ChangeKind.ADDED)],
        [],
    )
    assert list(watch.users) == ["bob", "carol"]


async def test_04_who_is_removed_keeps_exits_until_nothing_is_held(config: Path, place: Place) -> None:
    watch = await begin(config, place)
    await place.drop("bob")
    await look(watch, place)
    (gone,) = watch.gone.values()
    assert (gone.user, gone.enabled, gone.on_leave, gone.file) == ("bob", False, OnLeave.EXITS_ONLY, FileState.GONE)
    assert gone.fault.startswith(f"{place.shown}: the ")
    assert watch.settle_gone([])
    assert list(watch.everybody) == ["alice"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits.max_order_pct = 250\n", "limits.max_order_pct: must be above 0 and at most 100 (got 250)"),
        ("limits.max_order = 1\n", "limits.max_order is not a known setting"),
        ("sizing.multiplier = [", "not valid TOML"),
        ('group = "us"\n', "group: there is no file groups/us.toml"),
    ],
)
async def test_05_what_is_wrong_leaves_the_former_settings_in_force(
    config: Path, place: Place, text: str, words: str
) -> None:
    faults = Faults()
    watch = await begin(config, place, faults)
    await place.damage("bob", text)
    changes, (problem,) = await look(watch, place)
    assert changes == []
    assert problem.startswith(f"{place.shown}: ")
    assert words in problem
    assert multipliers(watch.users) == {"alice": "1", "bob": "1"}
    watch._report()
    assert [(each.kind, each.subject) for each in faults.standing] == [(FaultKind.USER_FILE, "bob")]
    await place.put("bob", "sizing.multiplier = 2\n")
    assert [change.user for change in (await look(watch, place))[0]] == ["bob"]
    watch._report()
    assert (multipliers(watch.users)["bob"], list(faults.standing)) == ("2", [])


async def test_06_who_is_bad_at_a_start_has_exits_by_the_last_settings_and_no_entries(
    config: Path, place: Place
) -> None:
    await place.damage("bob", "enabled = maybe\n")
    watch = await begin(config, place)
    assert (watch.users["alice"].fault, watch.users["bob"].file) == ("", FileState.BAD)
    assert watch.users["bob"].fault.startswith(f"{place.shown}: not valid TOML")
    assert "no entries are copied, exits go on by the default settings" in watch.users["bob"].fault
    last = UsersWatch(config, source=place.source).users["alice"]
    watch.restore({"bob": last}, [])
    assert "exits go on by the last settings known" in watch.users["bob"].fault


async def test_07_settings_of_the_group_apply_under_the_users_own(config: Path, place: Place) -> None:
    await place.put("bob", 'group = "eu-1"\n[limits]\nmax_symbol_pct = 7\n')
    watch = await begin(config, place)
    bob = watch.users["bob"]
    assert (bob.group, str(bob.sizing.multiplier)) == ("eu-1", "0.5")
    assert (bob.limits.max_positions, str(bob.limits.max_symbol_pct)) == (3, "7")
    (config / "groups" / "eu-1.toml").write_text("[sizing]\nmultiplier = 0.75\n")
    assert [change.user for change in (await look(watch, place))[0]] == ["bob"]
    assert multipliers(watch.users) == {"alice": "1", "bob": "0.75"}


async def test_08_two_names_of_one_key_variable_are_both_refused(config: Path, place: Place) -> None:
    await place.put("bo-b", PLAIN)
    await place.put("bo_b", PLAIN)
    watch = await begin(config, place)
    assert {user: policy.file for user, policy in watch.users.items()} == {
        "alice": FileState.GOOD, "bo-b": FileState.SHARED, "bo_b": FileState.SHARED, "bob": FileState.GOOD,
    }  # fmt: skip


async def test_09_an_unknown_master_is_an_error_of_its_user(config: Path, place: Place) -> None:
    await place.put("bob", '[follow.zeta]\nvenue = "kraken"\nshare_pct = 50\n')
    watch = await begin(config, place)
    assert "follow.zeta: there is no file masters/<name>.toml of that name" in watch.users["bob"].fault
    assert watch.users["alice"].fault == ""


async def test_10_only_what_has_changed_is_parsed_again(config: Path, place: Place) -> None:
    await place.source.refresh()
    files = UserFiles(config, place.source)
    first = files.load()
    await place.put("bob", "sizing.multiplier = 3\n")
    await place.source.refresh()
    second = files.load()
    assert second["alice"] is first["alice"]
    assert multipliers(second) == {"alice": "1", "bob": "3"}


async def test_11_names_that_no_user_can_have_are_nobodys(config: Path, place: Place) -> None:
    await place.put("Bob", PLAIN)
    await place.put("master", PLAIN)
    watch = await begin(config, place)
    assert list(watch.users) == ["alice", "bob"]
    assert len(watch._problems) == 2


async def test_12_a_mark_at_the_beginning_of_the_text_is_no_part_of_it(config: Path, place: Place) -> None:
    await place.put("bob", "\ufeffsizing.multiplier = 4\n")
    assert multipliers((await begin(config, place)).users)["bob"] == "4"
