"""A file with keys that others can read is refused in live mode and warned of in paper mode (case S12)."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.config.errors import ConfigurationError
from shared.config.keys import secret_files
from shared.config.keys.secret_files import refuse_open_env_file
from shared.config.keys.secrets import read_api_key
from shared.config.settings import Mode

OPEN = (0o666, 0o644, 0o604, 0o640, 0o660, 0o602)
CLOSED = (0o600, 0o400, 0o700)


@pytest.fixture
def key_file(tmp_path: Path, env: pytest.MonkeyPatch) -> Path:
    """A file with alice's key; her secret stands in a variable."""
    path = tmp_path / "alice.key"
    path.write_text("keyOfAlice\n")
    env.setenv("KRAKEN_USER_ALICE_API_KEY_FILE", str(path))
    env.setenv("KRAKEN_USER_ALICE_API_SECRET", "secretOfAlice")
    env.setattr(secret_files, "_warned", set())
    return path


@pytest.mark.parametrize("mode", OPEN)
def test_a_key_file_that_others_can_read_is_refused_in_live_mode(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        read_api_key("kraken", "alice", Mode.LIVE)
    whom = "all users of this machine" if mode & 0o006 else "its group"
    assert str(refused.value) == (
        f"KRAKEN_USER_ALICE_API_KEY_FILE names {key_file}, which is open to {whom} (mode {mode:04o}): chmod 600 {key_file}"
    )


@pytest.mark.parametrize("mode", CLOSED)
def test_a_key_file_that_only_its_owner_can_read_is_used(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with capture_logs() as logs:
        assert read_api_key("kraken", "alice", Mode.LIVE).key == "keyOfAlice"
    assert logs == []


def test_a_key_file_that_others_can_read_is_warned_of_once_in_paper_mode(key_file: Path) -> None:
    key_file.chmod(0o666)
    with capture_logs() as logs:
        for _ in range(3):
            assert read_api_key("kraken", "alice", Mode.PAPER).key == "keyOfAlice"
    (line,) = logs
    assert (line["log_level"], str(key_file) in line["reason"], "keyOfAlice" in str(line)) == ("warning", True, False)


def test_a_key_that_a_group_is_handed_by_another_owner_is_used(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.chmod(0o640)
    monkeypatch.setattr("shared.config.keys.secret_files.os.geteuid", lambda: key_file.stat().st_uid + 1)
    assert read_api_key("kraken", "alice", Mode.LIVE).key == "keyOfAlice"


def test_a_mounted_secret_is_used_whatever_its_rights_say(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker and Kubernetes mount secrets with mode 0444, into a container that holds nobody else."""
    monkeypatch.setattr(secret_files, "_MOUNTED", key_file.parent)
    key_file.chmod(0o444)
    assert read_api_key("kraken", "alice", Mode.LIVE).key == "keyOfAlice"


def test_an_env_file_that_others_can_read_is_refused_in_live_mode_and_warned_of_in_paper_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_files, "_warned", set())
    refuse_open_env_file(Mode.LIVE, tmp_path)  # there is none
    path = tmp_path / ".env"
    path.write_text("KRAKEN_MASTER_API_KEY=x")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"\.env, which may hold keys, is open to all users"):
        refuse_open_env_file(Mode.LIVE, tmp_path)
    with capture_logs() as logs:
        refuse_open_env_file(Mode.PAPER, tmp_path)
        refuse_open_env_file(Mode.PAPER, tmp_path)
    assert len(logs) == 1
    path.chmod(0o600)
    refuse_open_env_file(Mode.LIVE, tmp_path)
