"""`ops seal`: plain files become sealed ones, and all are sealed for a new identity: whole at each instant, never plain again."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from services.ops.sealing import sealed_writer
from services.ops.sealing.identity import identity
from services.ops.sealing.keys import keys
from services.ops.sealing.rotate import rotate
from services.ops.user.key_files import move_keys, remove_key, write_key
from shared.config.errors import ConfigurationError
from shared.config.keys.sealed_file import read_identities, seal
from shared.config.keys.secrets import ApiKey, read_api_key
from shared.config.keys.secrets_folder import SecretsFolder
from shared.config.settings import Mode, load_settings

USERS = ("alice", "bob", "carol", "master")


@pytest.fixture
def folder(tmp_path: Path, env: pytest.MonkeyPatch) -> SecretsFolder:
    """A folder with the plain keys of four accounts, and the file of an identity."""
    root = tmp_path / "secrets"
    env.setenv("SHOAL_SECRETS", str(root))
    env.setenv("SHOAL_IDENTITY_FILE", str(tmp_path / "old"))
    for name in ("old", "new"):
        identity(tmp_path / name)
    for user in USERS:
        home = root / "kraken" / user
        home.mkdir(parents=True, mode=0o700)
        for part in ("key", "secret"):
            (home / part).write_text(f"{part}-of-{user}-to-hide\n")
            (home / part).chmod(0o600)
    return SecretsFolder(root)


def end_of(command: object, *args: object, **options: object) -> int:
    """Run a command; return its exit code."""
    with pytest.raises(typer.Exit) as ended:
        command(*args, **options)  # type: ignore[operator]
    return ended.value.exit_code


def pair_of(user: str) -> ApiKey:
    """Return what a user's key is."""
    return ApiKey(f"key-of-{user}-to-hide", f"secret-of-{user}-to-hide")


def assert_sealed(folder: SecretsFolder, *identity_files: Path) -> None:
    """Check that each key can be opened with one of these, and that nothing else is there or shows anything."""
    opened = {}
    for path in (folder.root / "kraken").rglob("*"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"to-hide" not in path.read_bytes()
        if path.name.startswith("."):
            continue  # what was killed leaves it, encrypted
        for each in identity_files:
            try:
                opened[path.stem] = read_identities(str(each), Mode.LIVE).open(path.read_bytes(), str(path))
            except ConfigurationError:
                continue
    assert {user: ApiKey(*opened[user]) for user in USERS} == {user: pair_of(user) for user in USERS}


def test_an_identity_is_its_owners_and_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    out = capsys.readouterr().out
    assert read_identities(str(tmp_path / "made"), Mode.LIVE).recipients[0] in out
    assert "AGE-SECRET-KEY" not in out
    with pytest.raises(ConfigurationError, match="File exists"):
        identity(tmp_path / "made")


def test_plain_files_become_sealed_ones(folder: SecretsFolder, tmp_path: Path) -> None:
    assert end_of(keys) == 0
    assert_sealed(folder, tmp_path / "old")
    assert read_api_key("kraken", "bob", Mode.LIVE) == pair_of("bob")
    assert end_of(keys) == 0  # nothing is left to do


@pytest.mark.parametrize(
    ("where", "step"),
    [("replace", 0), ("rename", 0), ("unlink", 2), ("unlink", 3), ("rename", 2), ("replace", 3), ("write", 0)],
)
def test_sealing_that_is_killed_loses_no_key_and_is_run_again(
    folder: SecretsFolder, tmp_path: Path, where: str, step: int
) -> None:
    assert killed(keys, where=where, step=step)
    assert {user: read_api_key("kraken", user, Mode.LIVE) for user in USERS} == {user: pair_of(user) for user in USERS}
    assert end_of(keys) == 0
    assert_sealed(folder, tmp_path / "old")


@pytest.mark.parametrize("step", range(len(USERS)))
@pytest.mark.parametrize("where", ["replace", "write", "sync"])
def test_a_rotation_that_is_killed_leaves_each_file_whole_and_is_run_again(
    folder: SecretsFolder, tmp_path: Path, step: int, where: str
) -> None:
    end_of(keys)
    old, new = tmp_path / "old", tmp_path / "new"
    assert killed(lambda: rotate(new), where=where, step=step)
    assert_sealed(folder, old, new)
    assert end_of(rotate, new) == 0
    assert_sealed(folder, new)
    assert not [path.name for path in (folder.root / "kraken").iterdir() if path.name.startswith(".")]
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        read_api_key("kraken", "bob", Mode.LIVE)  # the old identity opens nothing more


def killed(command: Callable[[], object], *, where: str, step: int) -> bool:
    """Run a command in a process that ends without a word before it puts file number `step` in place (or removes it), or once
    it is half on the disk, or before the folder is."""
    child = os.fork()
    if child == 0:
        try:  # whatever fails in the child must not go on as a second run of the tests
            _die_at(where, step)
            with suppress(typer.Exit):
                command()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def _die_at(where: str, step: int) -> None:
    calls = itertools.count()
    patched: Any = {"write": os, "sync": sealed_writer}.get(where, Path)
    name = {"write": "fsync", "sync": "sync_folder"}.get(where, where)
    whole = getattr(patched, name)

    def die(*args: object, **options: object) -> object:
        counts = where != "unlink" or not str(args[0]).endswith(".new")
        if counts and next(calls) == step * (2 if where == "write" else 1):
            os._exit(9)
        return whole(*args, **options)

    setattr(patched, name, die)


def test_a_file_of_another_identity_is_named_and_keeps_no_other(
    folder: SecretsFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end_of(keys)
    identity(tmp_path / "strange")
    strange = read_identities(str(tmp_path / "strange"), Mode.LIVE).recipients
    path = folder.sealed_path("kraken", "bob")
    path.write_bytes(before := seal("a-key-of-bob", "a-secret-of-bob", strange))
    capsys.readouterr()
    assert end_of(rotate, tmp_path / "new") == 1
    out = capsys.readouterr().out
    assert "3 keys rotated" in out
    assert f"not rotated: {path} cannot be opened with the identity in {tmp_path}/old" in out
    assert path.read_bytes() == before


def test_a_key_that_is_replaced_meanwhile_is_not_overwritten(
    folder: SecretsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end_of(keys)
    recipients = read_identities(str(tmp_path / "old"), Mode.LIVE).recipients
    path, newer = folder.sealed_path("kraken", "alice"), seal("newer-key", "newer-secret", recipients)
    write = sealed_writer._write

    def replaced(new: Path, content: bytes, like: Path | None) -> None:
        write(new, content, like)
        if "alice" in new.name and path.read_bytes() != newer:
            path.write_bytes(newer)

    monkeypatch.setattr(sealed_writer, "_write", replaced)
    assert end_of(rotate, tmp_path / "new") == 1
    assert "changed by somebody else" in capsys.readouterr().out
    assert path.read_bytes() == newer
    assert end_of(rotate, tmp_path / "new") == 0
    assert read_identities(str(tmp_path / "new"), Mode.LIVE).open(path.read_bytes(), "") == (
        "newer-key",
        "newer-secret",
    )


def test_a_sealed_key_that_differs_from_the_plain_one_is_not_replaced(
    folder: SecretsFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipients = read_identities(str(tmp_path / "old"), Mode.LIVE).recipients
    path = folder.sealed_path("kraken", "bob")
    path.write_bytes(seal("other-key", "other-secret", recipients))
    path.chmod(0o600)
    assert end_of(keys, user="bob") == 1
    assert "holds another key than the plain files beside it" in capsys.readouterr().out
    assert folder.holds_plain("kraken", "bob")


def test_a_group_readable_file_stays_so_and_one_for_all_does_not(folder: SecretsFolder, tmp_path: Path) -> None:
    end_of(keys)
    for user, mode in (("alice", 0o640), ("bob", 0o644)):
        folder.sealed_path("kraken", user).chmod(mode)
    assert end_of(rotate, tmp_path / "new") == 0
    assert [folder.sealed_path("kraken", user).stat().st_mode & 0o777 for user in ("alice", "bob", "carol")] == [
        0o640, 0o640, 0o600,
    ]  # fmt: skip


def test_sealed_files_go_with_their_user(folder: SecretsFolder) -> None:
    end_of(keys)
    assert move_keys(folder, "bob", "bert") == ["kraken"]
    assert (folder.places("kraken", "bob"), len(folder.places("kraken", "bert"))) == ([], 1)
    with pytest.raises(ConfigurationError, match="exists already: it is another key"):
        move_keys(folder, "alice", "bert")
    assert remove_key(folder, "kraken", "bert")
    assert not folder.holds("kraken", "bert")


def test_a_new_paper_key_is_sealed_where_there_is_an_identity(folder: SecretsFolder) -> None:
    place = write_key(folder, "kraken", "dave", ApiKey("PAPERkey-to-hide", "secret-to-hide"), load_settings())
    assert place == str(folder.sealed_path("kraken", "dave"))
    assert not folder.holds_plain("kraken", "dave")
    assert read_api_key("kraken", "dave", Mode.PAPER) == ApiKey("PAPERkey-to-hide", "secret-to-hide")
