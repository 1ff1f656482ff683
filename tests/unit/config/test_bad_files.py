"""One bad file is one user's (cases E2, G4, S5): everybody else is read, and the reason is one plain line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from shared.config import text_file
from shared.config.users.loader import load_users
from shared.config.users.watch import UsersWatch
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import FileState
from tests.support.property_examples import scaled

BAD: dict[str, bytes] = {
    "age_beyond_every_number": b"guards.max_signal_age = 1e306",
    "age_of_a_huge_integer": b"guards.max_signal_age = " + b"9" * 4000,
    "integer_of_5000_digits": b"on_join_bps = " + b"1" * 5000,
    "huge_hexadecimal_integer": b"sizing.multiplier = 0x" + b"f" * 6000,
    "huge_hexadecimal_count": b"limits.max_positions = 0x" + b"f" * 6000,
    "exponent_beyond_every_number": b"limits.max_order_quote = 1e400",
    "deep_nesting": b"venues = " + b"[" * 5000 + b"]" * 5000,
    "nul_bytes": b"enabled = true\x00\x00",
    "utf_16": "enabled = true".encode("utf-16"),
    "utf_32": "enabled = true".encode("utf-32"),
    "latin_1": "# für alice".encode("latin-1"),
    "too_large": b"#" * (text_file.MOST_BYTES + 1),
    "a_date_that_is_none": b"enabled = 2026-02-31",
    "a_key_with_line_breaks": b'"a\\nb" = 1',
    "the_same_key_twice": b"enabled = true\nenabled = true",
    "typo": b"enabld = true",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with alice, whose file is good."""
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "alice.toml").write_text("sizing.multiplier = 2")
    return tmp_path


def assert_bob_alone_is_stopped(config: Path) -> str:
    """Check that alice is read and bob stopped with a reason of one line, at a start and while running; return the reason."""
    users = load_users(config)
    (problem,) = users.problems
    assert (problem.user, problem.path.name) == ("bob", "bob.toml")
    assert (users["bob"].file, users["bob"].fault[: len(str(problem))]) == (FileState.BAD, str(problem))
    assert users["alice"].file is FileState.GOOD
    assert users["alice"].sizing.multiplier == 2
    for text in (str(problem), users["bob"].fault):
        assert text.isprintable()
        assert len(text) < 700
        assert "Input should" not in text
    return problem.why


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_stops_its_own_user_and_nobody_else(config: Path, name: str) -> None:
    (config / "users" / "bob.toml").write_bytes(BAD[name])
    assert_bob_alone_is_stopped(config)


def test_a_file_with_a_byte_order_mark_is_read(config: Path) -> None:
    """Case G4."""
    (config / "users" / "bob.toml").write_bytes(b"\xef\xbb\xbfsizing.multiplier = 3")
    users = load_users(config)
    assert users.problems == ()
    assert users["bob"].sizing.multiplier == 3


def test_another_encoding_is_named_in_a_plain_sentence(config: Path) -> None:
    """Case G4."""
    (config / "users" / "bob.toml").write_bytes("enabled = true".encode("utf-16"))
    assert assert_bob_alone_is_stopped(config) == "is UTF-16 text; save it as UTF-8"


@pytest.mark.parametrize(
    "name", ["._alice.toml", ".alice.toml.swp", ".bob.toml", "bob.toml~", "bob.toml.bak", "#bob.toml#"]
)
def test_what_editors_and_file_systems_leave_is_no_users_file(config: Path, name: str) -> None:
    """Case E2."""
    (config / "users" / name).write_bytes(b"\x00\x05\x16\x07\x00\xff")
    users = load_users(config)
    assert (list(users), users.problems) == (["alice"], ())


def test_a_folder_or_a_pipe_that_is_called_like_a_file_is_nobodys(config: Path) -> None:
    """Case E2. Reading a pipe would wait for ever, and a folder would take an executor's place."""
    (config / "users" / "x.toml").mkdir()
    os.mkfifo(config / "users" / "y.toml")
    users = load_users(config)
    assert list(users) == ["alice"]
    assert [problem.why for problem in users.problems] == ["is a folder, not a file", "is not a regular file"]


def test_a_link_to_nothing_stops_its_own_user(config: Path) -> None:
    (config / "users" / "bob.toml").symlink_to(config / "nowhere.toml")
    assert assert_bob_alone_is_stopped(config) == "cannot be read: No such file or directory"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE, errno.EIO])
def test_a_file_that_the_system_does_not_hand_out_stops_its_own_user(
    config: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case S5."""
    (config / "users" / "bob.toml").write_text("")
    fail_to_open(monkeypatch, "bob.toml", number)
    assert assert_bob_alone_is_stopped(config) == f"cannot be read: {os.strerror(number)}"


def fail_to_open(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Have the system refuse to open the file of this name."""
    opened = os.open

    def refuse(path: Any, *rest: Any) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number))
        return opened(path, *rest)

    monkeypatch.setattr("shared.config.text_file.os.open", refuse)


def settled(watch: UsersWatch) -> list[str]:
    """Look until what has changed is settled; return what could not be taken over."""
    return watch.look()[1] + watch.look()[1]


@pytest.mark.parametrize("name", BAD)
def test_while_running_a_bad_file_is_one_line_and_the_old_settings_stay(config: Path, name: str) -> None:
    """Case S5."""
    bob = config / "users" / "bob.toml"
    bob.write_text("sizing.multiplier = 3")
    watch = UsersWatch(config)
    bob.write_bytes(BAD[name])
    (line,) = settled(watch)
    assert line.isprintable()
    assert watch.users["bob"].sizing.multiplier == 3
    assert not watch.users["bob"].fault
    bob.write_text("sizing.multiplier = 4")  # the watch goes on
    assert settled(watch) == []
    assert watch.users["bob"].sizing.multiplier == 4


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.EACCES])
def test_a_file_that_cannot_be_read_for_a_while_is_read_afterwards_without_being_changed(
    config: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case S5: at a start and while running."""
    watch = UsersWatch(config)
    bob = config / "users" / "bob.toml"
    with monkeypatch.context() as failing:
        fail_to_open(failing, "bob.toml", number)
        bob.write_text("sizing.multiplier = 3")
        (line,) = settled(watch)
        assert line.endswith(os.strerror(number))
        assert settled(watch) == []  # said once, and tried again
        started = UsersWatch(config)
    for each in (watch, started):
        assert each.users["bob"].fault
        settled(each)
        assert not each.users["bob"].fault
        assert each.users["bob"].sizing.multiplier == 3


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.EIO])
def test_a_folder_that_fails_changes_nothing_and_is_looked_at_again(
    config: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case S5."""
    watch = UsersWatch(config)

    def fail(_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr("shared.config.users.watch.os.scandir", fail)
        assert settled(watch) == []
        assert list(watch.users) == ["alice"]
    (config / "users" / "bob.toml").write_text("")
    settled(watch)
    assert list(watch.users) == ["alice", "bob"]


def test_what_is_wrong_stands_in_the_register_until_it_is_mended(config: Path) -> None:
    faults = Faults()
    bob = config / "users" / "bob.toml"
    bob.write_text("enabld = true")
    watch = UsersWatch(config, faults)
    watch.restore({}, ())
    (fault,) = faults.standing
    assert (fault.kind, fault.subject, fault.reason) == (FaultKind.USER_FILE, "bob", watch.users["bob"].fault)
    bob.write_text("")
    settled(watch)
    watch.settle_gone(())
    assert faults.standing == ()


_SCALARS = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["1979-05-27T07:32:00Z", "07:32:00", "0o17", "1e306", "-1e306", "'off'", "'30s'", "''", "{}", "[]", "[[]]"]
    ),
    st.text(alphabet="abc/$%", max_size=8).map(repr),
)
_KEYS = st.sampled_from(
    [
        *(
            "enabled",
            "venues",
            "paper",
            "on_join",
            "on_join_bps",
            "on_leave",
            "sizing",
            "sizing.mode",
            "sizing.multiplier",
        ),
        *("sizing.quote_amount", "limits", "limits.max_order_pct", "limits.max_positions", "limits.stop_out_lasts"),
        *("guards.max_signal_age", "guards.max_slippage_bps", "symbols.include", "symbols.map", "exits.stop_loss_pct"),
        *("exits.max_hold", "exits.trailing_pct"),
    ]
)


@settings(max_examples=scaled(300), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.dictionaries(_KEYS, _SCALARS, max_size=4))
def test_whatever_a_file_says_it_is_read_or_refused_in_one_line_of_ours(config: Path, lines: dict[str, str]) -> None:
    (config / "users" / "bob.toml").write_text("\n".join(f"{key} = {value}" for key, value in lines.items()))
    users = load_users(config)
    assert users["alice"].fault == ""
    for problem in users.problems:
        assert str(problem).isprintable()
        assert "Input should" not in problem.why
        assert "cannot be used" not in problem.why  # what nobody foresaw
