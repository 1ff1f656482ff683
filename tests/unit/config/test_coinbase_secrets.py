"""Where a Coinbase key comes from: two variables, or the file that Coinbase offers for download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, key_names, read_api_key
from shared.config.settings import Mode
from shared.contracts.keys import fingerprint
from shared.runtime.logging import mask_secrets

STEM = "COINBASE_USER_ALICE_API"
NAME = "organizations/0a0b0c0d-1111-4222-8333-444455556666/apiKeys/77778888-9999-4aaa-8bbb-ccccddddeeee"
LINES = "MHcCAQEEIFirstLineOfAliceAtCoinbase", "c2Vjb25kTGluZU9mQWxpY2U"
SECRET = "\n".join(["-----BEGIN EC PRIVATE KEY-----", *LINES, "-----END EC PRIVATE KEY-----"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "cdp_api_key.json"
    found.write_text(json.dumps({"name": NAME, "privateKey": SECRET + "\n"}, indent=3))
    found.chmod(0o600)
    return found


def read(mode: Mode = Mode.PAPER) -> ApiKey:
    return read_api_key("coinbase", "alice", mode)


def refusal(mode: Mode = Mode.PAPER) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(mode)
    words = str(refused.value)
    assert "\n" not in words
    assert "MHcC" not in words
    return words


def test_one_file_holds_key_and_secret(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    assert read(Mode.LIVE) == ApiKey(NAME, SECRET)
    assert key_names() == {fingerprint(NAME): [f"{STEM}_KEY"]}


def test_both_variables_may_name_that_file(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    env.setenv(f"{STEM}_SECRET_FILE", str(file))
    assert read() == ApiKey(NAME, SECRET)


def test_the_text_of_the_file_in_a_variable_is_read_as_well(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY", file.read_text())
    assert read() == ApiKey(NAME, SECRET)


def test_a_name_beside_a_file_that_is_of_another_key_is_refused(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY", NAME)
    env.setenv(f"{STEM}_SECRET_FILE", str(file))
    assert read() == ApiKey(NAME, SECRET)
    env.setenv(f"{STEM}_KEY", f"{NAME}0")
    assert refusal() == f"{STEM}_SECRET holds a file of another key than {STEM}_KEY"


def test_a_multi_line_secret_in_a_variable_or_a_file_is_taken_whole(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv(f"{STEM}_KEY", NAME)
    env.setenv(f"{STEM}_SECRET", SECRET)
    assert read() == ApiKey(NAME, SECRET)
    env.delenv(f"{STEM}_SECRET")
    pem = tmp_path / "secret.pem"
    pem.write_text(SECRET + "\n")
    env.setenv(f"{STEM}_SECRET_FILE", str(pem))
    assert read() == ApiKey(NAME, SECRET)


@pytest.mark.parametrize("content", ["{", '{"name": "x"}', '{"privateKey": "MHcC"}'])
def test_a_damaged_file_is_named_and_its_content_is_not(env: pytest.MonkeyPatch, file: Path, content: str) -> None:
    file.write_text(content)
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    assert refusal().startswith(f"{STEM}_KEY ")
    assert key_names() == {}


def test_without_a_secret_a_plain_name_is_not_enough(env: pytest.MonkeyPatch) -> None:
    env.setenv(f"{STEM}_KEY", NAME)
    assert refusal() == f"{STEM}_SECRET is not set (nor is {STEM}_SECRET_FILE)"


def test_two_users_of_one_file_are_refused(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    env.setenv("COINBASE_USER_BOB_API_KEY", NAME)
    assert refusal() == f"{STEM}_KEY and COINBASE_USER_BOB_API_KEY hold the same key; every account needs its own"


def test_a_file_that_others_can_read_is_refused_in_live_mode(env: pytest.MonkeyPatch, file: Path) -> None:
    file.chmod(0o644)
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    assert "chmod 600" in refusal(Mode.LIVE)
    assert read().key == NAME


def test_live_mode_refuses_the_name_of_a_paper_key(env: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text(json.dumps({"name": f"PAPER/{NAME}", "privateKey": SECRET}))
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    assert read().key == f"PAPER/{NAME}"
    assert refusal(Mode.LIVE) == f"{STEM}_KEY is a paper key, but SHOAL_MODE is live"


def test_no_line_of_the_file_reaches_the_log(env: pytest.MonkeyPatch, file: Path) -> None:
    env.setenv(f"{STEM}_KEY_FILE", str(file))
    read()
    written = str(
        mask_secrets(None, "", {"event": "x", "all": file.read_text(), "key": NAME, "parts": SECRET.split("\n")})
    )
    for part in (NAME, *LINES):
        assert part not in written
