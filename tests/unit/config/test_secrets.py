"""Keys: whose they are, where they come from, and that a refusal names the variable and never its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, keys_without_user, read_api_key
from shared.config.settings import Mode
from shared.contracts.keys import fingerprint

KEY, SECRET = "k3yOfAliceAtKraken", "c2VjcmV0IG9mIGFsaWNlIGF0IGtyYWtlbg=="


def give(env: pytest.MonkeyPatch, stem: str, key: str = KEY, secret: str = SECRET) -> None:
    """Set both variables of an account."""
    env.setenv(f"{stem}_KEY", key)
    env.setenv(f"{stem}_SECRET", secret)


def refusal(owner: str = "alice", mode: Mode = Mode.PAPER, *, paper: bool = False) -> str:
    """Read a key and give the one line that refuses it."""
    with pytest.raises(ConfigurationError) as refused:
        read_api_key("kraken", owner, mode, paper=paper)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("venue", "owner", "stem"),
    [
        ("kraken", "master", "KRAKEN_MASTER_API"),
        ("kraken", "alice", "KRAKEN_USER_ALICE_API"),
        ("coinbase", "ann-lee", "COINBASE_USER_ANN_LEE_API"),
        ("coinbase", "bob_2", "COINBASE_USER_BOB_2_API"),
    ],
)
def test_the_variable_names_venue_and_whole_user(env: pytest.MonkeyPatch, venue: str, owner: str, stem: str) -> None:
    give(env, stem)
    assert read_api_key(venue, owner, Mode.PAPER) == ApiKey(KEY, SECRET)


def test_two_users_same_first_name_keep_two_keys(env: pytest.MonkeyPatch) -> None:
    give(env, "KRAKEN_USER_ANN_LEE_API", key="keyOfAnnLee")
    give(env, "KRAKEN_USER_ANN_MOE_API", key="keyOfAnnMoe")
    assert read_api_key("kraken", "ann-lee", Mode.PAPER).key == "keyOfAnnLee"
    assert read_api_key("kraken", "ann-moe", Mode.PAPER).key == "keyOfAnnMoe"
    assert refusal("ann") == "KRAKEN_USER_ANN_API_KEY is not set (nor is KRAKEN_USER_ANN_API_KEY_FILE)"


def test_a_missing_key_is_named(env: pytest.MonkeyPatch) -> None:
    assert refusal() == "KRAKEN_USER_ALICE_API_KEY is not set (nor is KRAKEN_USER_ALICE_API_KEY_FILE)"
    env.setenv("KRAKEN_USER_ALICE_API_KEY", KEY)
    assert refusal() == "KRAKEN_USER_ALICE_API_SECRET is not set (nor is KRAKEN_USER_ALICE_API_SECRET_FILE)"


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_a_blank_key_is_named(env: pytest.MonkeyPatch, blank: str) -> None:
    give(env, "KRAKEN_USER_ALICE_API", key=blank)
    assert refusal() == "KRAKEN_USER_ALICE_API_KEY is blank (nor is KRAKEN_USER_ALICE_API_KEY_FILE)"


@pytest.mark.parametrize(
    "placeholder", ["your-api-key", "YOUR_API_SECRET", "changeme", "<key>", "...", "xxxxxxxx", "TODO", "replace-me"]
)
def test_a_placeholder_is_named_and_not_repeated(env: pytest.MonkeyPatch, placeholder: str) -> None:
    give(env, "KRAKEN_USER_ALICE_API", secret=placeholder)
    assert refusal() == "KRAKEN_USER_ALICE_API_SECRET holds a placeholder, not a key"


def test_live_mode_refuses_a_paper_key_without_repeating_it(env: pytest.MonkeyPatch) -> None:
    give(env, "KRAKEN_USER_ALICE_API", key="PAPER0123456789")
    assert read_api_key("kraken", "alice", Mode.PAPER).key == "PAPER0123456789"
    assert refusal(mode=Mode.LIVE) == "KRAKEN_USER_ALICE_API_KEY is a paper key, but SHOAL_MODE is live"


def test_live_mode_takes_a_key_of_a_venue(env: pytest.MonkeyPatch) -> None:
    give(env, "KRAKEN_USER_ALICE_API")
    assert read_api_key("kraken", "alice", Mode.LIVE).secret == SECRET


def test_live_mode_takes_nothing_but_a_paper_key_for_a_user_on_paper_money(env: pytest.MonkeyPatch) -> None:
    give(env, "KRAKEN_USER_ALICE_API", key="PAPER0123456789")
    assert read_api_key("kraken", "alice", Mode.LIVE, paper=True).key == "PAPER0123456789"
    give(env, "KRAKEN_USER_ALICE_API")
    said = refusal(mode=Mode.LIVE, paper=True)
    assert said.startswith("KRAKEN_USER_ALICE_API_KEY is not a paper key")
    assert KEY not in said


def test_in_paper_mode_it_makes_no_difference_whether_a_user_is_on_paper_money(env: pytest.MonkeyPatch) -> None:
    give(env, "KRAKEN_USER_ALICE_API")
    assert read_api_key("kraken", "alice", Mode.PAPER, paper=True) == ApiKey(KEY, SECRET)


def test_a_key_can_stand_in_a_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "secret").write_text(f"  {SECRET}\n")
    env.setenv("KRAKEN_USER_ALICE_API_KEY", "")  # as compose hands on a variable that is not set
    env.setenv("KRAKEN_USER_ALICE_API_KEY_FILE", str(tmp_path / "key"))
    env.setenv("KRAKEN_USER_ALICE_API_SECRET_FILE", str(tmp_path / "secret"))
    assert read_api_key("kraken", "alice", Mode.PAPER) == ApiKey(KEY, SECRET)


def test_a_file_that_is_missing_empty_or_no_text_is_named(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "key"
    env.setenv("KRAKEN_USER_ALICE_API_KEY_FILE", str(path))
    named = f"KRAKEN_USER_ALICE_API_KEY_FILE names {path}, which "
    assert refusal() == f"{named}cannot be read: No such file or directory"
    path.write_text(" \n")
    assert refusal() == f"{named}is empty"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal() == f"{named}cannot be read: not a text"


def test_a_real_secret_that_begins_like_a_placeholder_by_chance_is_none(env: pytest.MonkeyPatch) -> None:
    secret = "xxx" + "A" * 83 + "=="
    give(env, "KRAKEN_USER_ALICE_API", secret=secret)
    assert read_api_key("kraken", "alice", Mode.PAPER).secret == secret


def test_a_placeholder_in_a_file_is_one_too(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("your-key-here")
    env.setenv("KRAKEN_USER_ALICE_API_KEY_FILE", str(tmp_path / "key"))
    assert refusal() == "KRAKEN_USER_ALICE_API_KEY holds a placeholder, not a key"


def test_a_key_shows_nothing_of_itself_but_its_fingerprint() -> None:
    key = ApiKey(KEY, SECRET)
    assert KEY not in repr(key)
    assert SECRET not in f"{key} {key!r}"
    assert key.fingerprint == fingerprint(KEY)


def _in_file(env: pytest.MonkeyPatch, folder: Path, stem: str, text: str) -> None:
    path = folder / stem
    path.write_text(text)
    env.setenv(f"{stem}_KEY_FILE", str(path))
    env.setenv(f"{stem}_SECRET", SECRET)


@pytest.mark.parametrize(
    ("venue", "other", "stem"),
    [
        ("kraken", "bob", "KRAKEN_USER_BOB_API"),
        ("kraken", "master", "KRAKEN_MASTER_API"),
        ("coinbase", "bob", "COINBASE_USER_BOB_API"),
    ],
)
@pytest.mark.parametrize("text", [KEY, f" {KEY}  \n", f"{KEY}\r\n"])
def test_one_key_for_two_users_is_refused_for_both_though_it_stands_in_a_file(
    env: pytest.MonkeyPatch, tmp_path: Path, venue: str, other: str, stem: str, text: str
) -> None:
    """One hidden in a file, in the master's variable or at the other venue is still one key."""
    give(env, "KRAKEN_USER_ALICE_API")
    _in_file(env, tmp_path, stem, text)
    assert refusal().endswith(f"and {stem}_KEY hold the same key; every account needs its own")
    with pytest.raises(ConfigurationError, match=f"{stem}_KEY and KRAKEN_USER_ALICE_API_KEY hold the same key"):
        read_api_key(venue, other, Mode.PAPER)


def test_two_files_with_one_key_are_refused_and_a_file_that_cannot_be_read_is_nobody_elses_trouble(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _in_file(env, tmp_path, "KRAKEN_USER_ALICE_API", KEY)
    env.setenv("KRAKEN_USER_CAROL_API_KEY_FILE", str(tmp_path / "missing"))
    assert read_api_key("kraken", "alice", Mode.PAPER).key == KEY
    _in_file(env, tmp_path, "KRAKEN_USER_BOB_API", KEY)
    assert "hold the same key" in refusal()


def test_a_variable_beside_its_own_file_is_one_place(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _in_file(env, tmp_path, "KRAKEN_USER_ALICE_API", KEY)
    give(env, "KRAKEN_USER_ALICE_API")
    assert read_api_key("kraken", "alice", Mode.PAPER).key == KEY


def test_a_key_whose_user_there_is_none_is_named(env: pytest.MonkeyPatch) -> None:
    """Case N13: only a warning comes of it, for the user may come later."""
    for name in ("KRAKEN_USER_ANN_LEE_API_KEY", "KRAKEN_USER_ZED_API_KEY", "COINBASE_USER_BOB_API_KEY_FILE"):
        env.setenv(name, "x")
    env.setenv("KRAKEN_USER_BLANK_API_KEY", "")
    assert keys_without_user(["ann-lee", "alice"]) == ["COINBASE_USER_BOB_API_KEY_FILE", "KRAKEN_USER_ZED_API_KEY"]
