"""The users' files, read again and again: only what has changed is parsed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.config.users.loader import load_users
from shared.config.users.user_files import UserFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    for user in ("alice", "bob"):
        (tmp_path / "users" / f"{user}.toml").write_text("enabled = true\n")
    return tmp_path


def test_the_first_reading_is_that_of_the_loader(folder: Path) -> None:
    (folder / "users" / "carol.toml").write_text("enabled = 5\n")
    found, plain = UserFiles(folder).load(), load_users(folder)
    assert dict(found) == dict(plain)
    assert found.problems == plain.problems


def test_a_file_that_has_not_changed_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = UserFiles(folder)
    first = files.load()
    monkeypatch.setattr("shared.config.users.source.read_user", lambda path: pytest.fail(f"{path} is read"))
    assert files.load()["alice"] is first["alice"]


def test_a_changed_a_new_and_a_removed_file_are_noticed(folder: Path) -> None:
    files = UserFiles(folder)
    first = files.load()
    (folder / "users" / "alice.toml").write_text("enabled = false\n")
    (folder / "users" / "bob.toml").unlink()
    (folder / "users" / "dora.toml").write_text("")
    second = files.load()
    assert list(second) == ["alice", "dora"]
    assert (first["alice"].enabled, second["alice"].enabled) == (True, False)


def test_a_file_of_the_same_size_that_replaces_another_is_read(folder: Path) -> None:
    path, other = folder / "users" / "alice.toml", folder / "users" / "alice.new"
    path.write_text("[sizing]\nmultiplier = 1\n")
    files = UserFiles(folder)
    files.load()
    before = path.stat()
    other.write_text("[sizing]\nmultiplier = 2\n")
    other.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.load()["alice"].sizing.multiplier == 2


def test_files_of_one_text_are_users_of_their_own(folder: Path) -> None:
    found = UserFiles(folder).load()
    assert [found[user].user for user in ("alice", "bob")] == ["alice", "bob"]
