"""What is written to the log, byte for byte: events with their fields, and never a secret, wherever it hides."""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.config.keys.sealed_file import new_identity, read_identities, seal
from shared.config.keys.secrets import key_sources, read_api_key
from shared.config.settings import Mode
from shared.runtime import logging as subject
from shared.runtime.logging import configure_logging, hide

KEY = "k3yOfAliceAtKraken"
SECRET = "c2VjcmV0/29mIGFs+WNlIGF0IGtyYWtlbg=="
FRAME = "-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"
PEM = f"{FRAME[0]}\nMHcCAQEEIGxvbmcgYW5kIHNlY3JldA\nAoGBAKp0aGUgc2Vjb25kIGxpbmU\n{FRAME[1]}\n"
PARTS = (KEY, SECRET, "MHcCAQEEIGxvbmcgYW5kIHNlY3JldA", "AoGBAKp0aGUgc2Vjb25kIGxpbmU", "c2VjcmV0%2F29mIGFs")


class SecretError(Exception):
    """Shows its argument to repr() alone."""

    def __str__(self) -> str:
        return "something about a key"


class Keeper:
    """Carries a secret in its representation."""

    def __repr__(self) -> str:
        return f"Keeper({SECRET})"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Leave the logging of the test run as it was."""
    root = logging.getLogger()
    handlers, level, secrets = root.handlers[:], root.level, subject._secrets[:]
    yield
    root.handlers[:], subject._secrets[:] = handlers, secrets
    root.setLevel(level)
    structlog.reset_defaults()


def assert_masked(written: str) -> None:
    """Check that something was hidden and nothing shows."""
    assert "[secret]" in written
    for part in PARTS:
        assert part not in written


class Full(io.StringIO):
    """Takes nothing, as a full disk or a pipe whose reader has ended."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, log_format: str) -> None:
    """Lines are written between the steps of an order."""
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    configure_logging("executor", log_format)
    structlog.get_logger().info("order settled", user="alice")
    structlog.get_logger().error("a decision failed", user="alice", reason="\udcff")
    logging.getLogger("a library").warning("and a library's line")


def test_an_event_is_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("executor", "json")
    structlog.get_logger().info("order settled", user="alice", outcome="filled")
    logging.getLogger("some.library").warning("a line of %s", "its own")
    own, foreign = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert own.pop("timestamp").endswith("Z")
    assert own == {
        "event": "order settled",
        "user": "alice",
        "outcome": "filled",
        "level": "info",
        "service": "executor",
    }
    assert (foreign["event"], foreign["service"], foreign["level"]) == ("a line of its own", "executor", "warning")


def test_an_event_for_people_is_one_line_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("executor", "console")
    structlog.get_logger().info("order settled", user="alice")
    (line,) = capsys.readouterr().out.splitlines()
    assert "order settled" in line
    assert "user=alice" in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_masked_in_every_kind_of_field(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logging("executor", log_format)
    hide(KEY, SECRET, PEM)
    log = structlog.get_logger()
    log.info(f"key {KEY} in the event")
    log.info("in a field", value=SECRET)
    log.info("in a list", value=["a", SECRET])
    log.info("in a mapping", value={"headers": {"API-Key": KEY}})
    log.info("in bytes", value=SECRET.encode())
    log.info("in a tuple of several lines", value=("pem", PEM))
    log.info("in a representation", value=Keeper())
    log.info("in an exception", error=ValueError(f"bad secret {SECRET}"))
    log.info("in an exception that only shows it to repr", error=SecretError(KEY))
    log.info("in a query", url="https://api/?key=c2VjcmV0%2F29mIGFs%2BWNlIGF0IGtyYWtlbg%3D%3D")
    logging.getLogger("some.library").warning("request with %s", KEY)
    logging.getLogger("some.library").warning("%(key)s", {"key": SECRET})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    for line in lines:
        assert_masked(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("secret", [KEY, SECRET, PEM, PEM.replace("\n", "\\n")])
def test_a_secret_is_masked_in_a_traceback(capsys: pytest.CaptureFixture[str], log_format: str, secret: str) -> None:
    configure_logging("executor", log_format)
    hide(secret)

    def fail() -> None:
        nothing: dict[str, str] = {}
        try:
            nothing[secret]
        except KeyError as error:
            raise SecretError(f"with {secret!r}") from error

    for log in (structlog.get_logger().exception, logging.getLogger("some.library").exception):
        try:
            fail()
        except SecretError:
            log("it failed")
        written = capsys.readouterr().out
        assert "Traceback" in written
        assert "it failed" in written
        assert_masked(written)


def test_a_key_is_hidden_as_soon_as_it_is_read(env: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    env.setenv("KRAKEN_USER_ALICE_API_KEY", KEY)
    env.setenv("KRAKEN_USER_ALICE_API_SECRET", SECRET)
    configure_logging("executor", "json")
    read = read_api_key("kraken", "alice", Mode.PAPER)
    structlog.get_logger().error("oh", key=read.key, secret=read.secret)
    line = json.loads(capsys.readouterr().out)
    assert (line["key"], line["secret"]) == ("[secret]", "[secret]")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_sealed_key_and_the_identity_are_hidden_as_soon_as_they_are_read(
    env: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    identity, recipient = new_identity()
    subject._secrets.clear()  # as in a process that reads the identity of another
    (tmp_path / "identity").write_text(f"# {recipient}\n{identity}\n")
    (tmp_path / "identity").chmod(0o600)
    (tmp_path / "kraken").mkdir()
    (tmp_path / "kraken" / "alice.age").write_bytes(seal(KEY, PEM, [recipient]))
    (tmp_path / "kraken" / "alice.age").chmod(0o600)
    env.setenv("SHOAL_SECRETS", str(tmp_path))
    env.setenv("SHOAL_IDENTITY_FILE", str(tmp_path / "identity"))
    configure_logging("executor", log_format)
    found = read_api_key("kraken", "alice", Mode.LIVE)
    log = structlog.get_logger()
    for secret in (found.key, found.secret, identity):
        log.info(f"opened {secret}", value=[secret], error=ValueError(secret))
    log.info("sources", key=found, sources=key_sources("kraken", "alice"))
    log.info("identities", given=read_identities(str(tmp_path / "identity"), Mode.LIVE))
    written = capsys.readouterr().out
    assert_masked(written)
    assert identity not in written
    assert "opened [secret]" in written


def test_a_secret_that_is_part_of_another_does_not_break_its_mask(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("executor", "json")
    for order in ((KEY, f"before-{KEY}-after"), (f"before-{KEY}-after", KEY)):
        subject._secrets.clear()
        hide(*order)
        structlog.get_logger().info(f"x before-{KEY}-after y")
        assert json.loads(capsys.readouterr().out)["event"] == "x [secret] y"


def test_the_frame_of_a_key_and_short_texts_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("executor", "json")
    hide(PEM, "", "key")
    structlog.get_logger().info("the key begins with -----BEGIN EC PRIVATE KEY-----", count=3, ready=True, none=None)
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "the key begins with -----BEGIN EC PRIVATE KEY-----"
    assert (line["count"], line["ready"], line["none"]) == (3, True, None)


def test_request_lines_of_http_libraries_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("executor", "json")
    for name in ("aiohttp.access", "uvicorn.access", "urllib3"):
        logging.getLogger(name).info("GET /0/private?key=%s", KEY)
    assert capsys.readouterr().out == ""
