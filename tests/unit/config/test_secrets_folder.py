"""The folder of secrets: what is read from it, what is refused, and that no error says what a file contains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.config.errors import ConfigurationError
from shared.config.keys import secret_files
from shared.config.keys.secrets import ApiKey, key_names, keys_without_user, master_venues, read_api_key
from shared.config.keys.secrets_folder import Part, SecretsFolder
from shared.config.settings import Mode, load_settings

KEY, SECRET = "keyOfDaveInAFile", "c2VjcmV0IG9mIGRhdmUgaW4gYSBmaWxl"
NAMES = ("..", "../alice", "a/b", "/etc", ".hidden", "", "Dave", "dave\n", "dave\0", "ä", "a" * 33)


@pytest.fixture
def folder(tmp_path: Path, env: pytest.MonkeyPatch) -> Path:
    """An empty folder of secrets that the environment names."""
    root = tmp_path / "secrets"
    root.mkdir(mode=0o700)
    env.setenv("SHOAL_SECRETS", str(root))
    env.setattr(secret_files, "_warned", set())
    return root


def put(root: Path, key: str = KEY, secret: str = SECRET, owner: str = "dave", venue: str = "kraken") -> Path:
    """Write the two files of an account; an empty text writes none. Return their folder."""
    home = root / venue / owner
    home.mkdir(parents=True, exist_ok=True)
    for name, text in (("key", key), ("secret", secret)):
        if text:
            (home / name).write_text(f"{text}\n")
            (home / name).chmod(0o600)
    return home


def refusal(owner: str = "dave", mode: Mode = Mode.LIVE, venue: str = "kraken") -> str:
    """Read a key, and return the line that refuses it, in which no key stands."""
    with pytest.raises(ConfigurationError) as refused:
        read_api_key(venue, owner, mode)
    text = str(refused.value)
    assert "\n" not in text
    assert KEY not in text
    assert SECRET not in text
    return text


def test_both_files_make_a_key_at_once_and_the_settings_know_the_folder(folder: Path) -> None:
    assert refusal() == (
        "KRAKEN_USER_DAVE_API_KEY is not set (nor is KRAKEN_USER_DAVE_API_KEY_FILE), "
        f"nor is there a file {folder}/kraken/dave/key"
    )
    put(folder)
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)
    assert KEY not in repr(read_api_key("kraken", "dave", Mode.LIVE))
    put(folder, key="another", secret="andItsSecret")
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey("another", "andItsSecret")
    assert load_settings().shoal_secrets == str(folder)


@pytest.mark.parametrize(
    ("key", "secret", "named"), [(KEY, "", "dave/secret does not exist"), ("", SECRET, "dave/key does not exist")]
)
def test_half_a_pair_is_no_key(folder: Path, key: str, secret: str, named: str) -> None:
    put(folder, key, secret)
    assert refusal().endswith(named)


@pytest.mark.parametrize("text", [" ", "\n", "\ufeff"])
def test_an_empty_file_is_named(folder: Path, text: str) -> None:
    put(folder, key=text)
    assert refusal() == f"{folder}/kraken/dave/key is empty"


def test_a_placeholder_a_large_file_and_what_is_not_a_text_are_refused(folder: Path) -> None:
    home = put(folder, key="changeme")
    assert refusal() == f"{folder}/kraken/dave/key holds a placeholder, not a key"
    (home / "key").write_text(KEY * 2000)
    assert refusal() == f"{folder}/kraken/dave/key is too large for a key"
    (home / "key").write_bytes(b"\xff\xfe\x00")
    assert refusal() == f"{folder}/kraken/dave/key is not a text"


def test_a_key_of_a_user_with_a_minus_is_theirs_alone(folder: Path) -> None:
    put(folder, owner="ann-lee")
    put(folder, key="keyOfTheOther", owner="ann_lee")
    assert read_api_key("kraken", "ann-lee", Mode.LIVE).key == KEY
    assert read_api_key("kraken", "ann_lee", Mode.LIVE).key == "keyOfTheOther"


@pytest.mark.parametrize("owner", NAMES)
def test_no_name_leads_out_of_the_folder(folder: Path, owner: str) -> None:
    put(folder)
    with pytest.raises(ConfigurationError, match="not a user id"):
        SecretsFolder(folder).path("kraken", owner, Part.KEY)
    with pytest.raises(ConfigurationError, match="not a user id"):
        SecretsFolder(folder).path("../kraken", "dave", Part.KEY)
    with pytest.raises(ConfigurationError):
        read_api_key("kraken", owner, Mode.LIVE)


@pytest.mark.parametrize("link", ["dave/key", "dave/secret", "dave", ""])
def test_a_symbolic_link_is_not_followed(folder: Path, tmp_path: Path, link: str) -> None:
    other = tmp_path / "elsewhere"
    put(other)
    put(folder)
    path = folder / "kraken" / link
    if path.is_dir():
        for each in sorted(path.rglob("*"), reverse=True):
            each.unlink() if each.is_file() else each.rmdir()
        path.rmdir()
    else:
        path.unlink()
    path.symlink_to(other / "kraken" / link)
    assert "a symbolic link, which is not followed" in refusal(mode=Mode.PAPER)


def test_a_pipe_and_a_folder_are_no_keys_and_do_not_block(folder: Path) -> None:
    home = put(folder, key="")
    os.mkfifo(home / "key")
    assert refusal() == f"{folder}/kraken/dave/key is not a regular file"
    (home / "key").unlink()
    (home / "key").mkdir()
    assert refusal() == f"{folder}/kraken/dave/key is not a regular file"


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o604, 0o640, 0o660, 0o602])
@pytest.mark.parametrize("part", ["key", "secret"])
def test_a_file_that_others_can_read_is_refused_in_live_mode_and_warned_of_once_in_paper_mode(
    folder: Path, part: str, mode: int
) -> None:
    (put(folder) / part).chmod(mode)
    whom = "all users of this machine" if mode & 0o006 else "its group"
    path = folder / "kraken" / "dave" / part
    assert refusal() == f"{path} is open to {whom} (mode {mode:04o}): chmod 600 {path}"
    with capture_logs() as logs:
        for _ in range(3):
            assert read_api_key("kraken", "dave", Mode.PAPER).key == KEY
    (line,) = logs
    assert (line["log_level"], KEY in str(line), SECRET in str(line)) == ("warning", False, False)


@pytest.mark.parametrize("where", ["", "kraken", "kraken/dave"])
def test_a_folder_in_which_everybody_may_write_is_refused_in_live_mode(folder: Path, where: str) -> None:
    put(folder)
    (folder / where).chmod(0o777)
    assert f"{folder / where} holds keys and all users of this machine can write there (mode 0777)" in refusal()
    assert read_api_key("kraken", "dave", Mode.PAPER).key == KEY


def test_a_variable_and_a_file_that_differ_are_refused_and_the_same_key_twice_is_not(
    folder: Path, env: pytest.MonkeyPatch
) -> None:
    put(folder)
    env.setenv("KRAKEN_USER_DAVE_API_KEY", KEY)
    text = "the key of dave at Kraken is given by KRAKEN_USER_DAVE_API_KEY and by"
    assert refusal() == f"{text} {folder}/kraken/dave/key, and not the same: remove one of them"
    env.setenv("KRAKEN_USER_DAVE_API_SECRET", "anotherSecret")
    assert refusal().startswith(text)
    env.setenv("KRAKEN_USER_DAVE_API_SECRET", SECRET)
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)
    env.setenv("KRAKEN_USER_DAVE_API_KEY", "anotherKey")
    assert refusal().startswith(text)


def test_a_blank_variable_does_not_hide_a_file(folder: Path, env: pytest.MonkeyPatch) -> None:
    put(folder)
    env.setenv("KRAKEN_USER_DAVE_API_KEY", " ")
    assert read_api_key("kraken", "dave", Mode.LIVE).key == KEY


def test_two_users_with_one_key_are_refused_wherever_it_stands(folder: Path, env: pytest.MonkeyPatch) -> None:
    put(folder)
    put(folder, owner="erin")
    assert (
        refusal()
        == f"{folder}/kraken/dave/key and {folder}/kraken/erin/key hold the same key; every account needs its own"
    )
    put(folder, key="keyOfErin", owner="erin")
    env.setenv("COINBASE_USER_BOB_API_KEY", KEY)
    assert "COINBASE_USER_BOB_API_KEY hold the same key" in refusal()
    assert sorted(map(len, key_names().values())) == [1, 2]


def test_live_mode_takes_paper_keys_from_paper_users_only(folder: Path) -> None:
    put(folder, key="PAPER-1")
    assert refusal() == f"{folder}/kraken/dave/key is a paper key, but SHOAL_MODE is live"
    assert read_api_key("kraken", "dave", Mode.LIVE, paper=True).is_paper
    put(folder)
    with pytest.raises(ConfigurationError, match="is not a paper key"):
        read_api_key("kraken", "dave", Mode.LIVE, paper=True)


def test_a_file_of_coinbase_with_both_needs_no_second_one(folder: Path, env: pytest.MonkeyPatch) -> None:
    del env
    name = "organizations/1/apiKeys/2"
    pem = "-----BEGIN EC PRIVATE KEY-----\\nMHc=\\n-----END EC PRIVATE KEY-----\\n"
    put(folder, key=f'{{"name": "{name}", "privateKey": "{pem}"}}', secret="", venue="coinbase")
    assert read_api_key("coinbase", "dave", Mode.LIVE).key == name


def test_the_masters_venues_and_keys_of_strangers_are_found_in_the_folder(folder: Path) -> None:
    assert master_venues() == ()
    put(folder, owner="master", venue="coinbase")
    put(folder, owner="zed")
    put(folder, owner="dave")
    assert master_venues() == ("coinbase",)
    assert keys_without_user(["dave"]) == [f"{folder}/kraken/zed/key"]
