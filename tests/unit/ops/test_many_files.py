"""With many users' files, commands that need names, or one user, do not parse them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from services.ops import users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.config.users.loader import Users

NO_BUS = cast("Bus", None)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    folder = tmp_path / "users"
    folder.mkdir()
    for number in range(6):
        (folder / f"u{number}.toml").write_text("")

    async def no_others(_: Bus) -> list[str]:
        return ["gone"]

    monkeypatch.setattr(users, "known_users", no_others)
    return Settings(shoal_config=tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Set how many files are checked; return the list to which each reading of all files is added."""

    def set_bound(most: int) -> list[str]:
        readings: list[str] = []

        async def policies(*_: object) -> Users:
            readings.append("all")
            return Users({})

        monkeypatch.setattr(users, "_CHECKED", most)
        monkeypatch.setattr(users, "read_policies", policies)
        return readings

    return set_bound


async def test_names_are_listed_without_a_look_into_many_files(
    settings: Settings, read: Callable[[int], list[str]]
) -> None:
    readings = read(5)
    assert await users.list_users(settings, NO_BUS) == ["gone", "u0", "u1", "u2", "u3", "u4", "u5"]
    assert readings == []


async def test_few_files_are_read_to_warn_of_bad_ones(settings: Settings, read: Callable[[int], list[str]]) -> None:
    readings = read(6)
    await users.list_users(settings, NO_BUS)
    assert readings == ["all"]


async def test_one_user_of_many_is_read_alone(settings: Settings, read: Callable[[int], list[str]]) -> None:
    readings = read(5)
    assert list(await users.read_policies_of(settings, NO_BUS, "u3")) == ["u3"]
    assert readings == []


@pytest.mark.parametrize("user", ["", "gone", "bad", "a_b"])
async def test_all_are_read_where_one_file_is_not_enough(
    settings: Settings, read: Callable[[int], list[str]], user: str
) -> None:
    folder = settings.shoal_config / "users"
    (folder / "bad.toml").write_text("enabled = 5\n")
    for clashing in ("a_b", "a-b"):
        (folder / f"{clashing}.toml").write_text("")
    readings = read(5)
    await users.read_policies_of(settings, NO_BUS, user)
    assert readings == ["all"]
