"""Strangers do not reach the control plane: off loopback it needs a token, which it makes itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from services.paper_exchange.control.gate import control_token
from shared.config.errors import ConfigurationError
from shared.config.keys.paper_token import read_paper_token
from shared.config.settings import Settings
from tests.contract.paper_exchange.conftest import BUY
from tests.support import python_module
from tests.support.bound import bound_to
from tests.support.ports import free_port
from tests.support.processes import AT_ONCE, Service, wait_for


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_it_does_not_start_off_loopback_without_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PAPER_HOST: others can reach .* PAPER_TOKEN_FILE"):
        control_token(Settings(), bound_to(host))


def test_on_loopback_it_is_open_unless_a_token_is_wanted(tmp_path: Path) -> None:
    assert control_token(Settings(), bound_to("127.0.0.1")) == ""
    assert control_token(Settings(), bound_to("::1")) == ""
    wanted = Settings(paper_token_file=str(tmp_path / "token"))
    assert len(control_token(wanted, bound_to("127.0.0.1"))) == 43


def test_the_token_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(paper_token_file=str(tmp_path / "token"))
    first = control_token(settings, bound_to("0.0.0.0"))
    assert control_token(settings, bound_to("0.0.0.0")) == first == read_paper_token(settings)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "token"]
    other = Settings(paper_token_file=str(tmp_path / "other"))
    assert control_token(other, bound_to("0.0.0.0")) != first


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", "é".encode(), b"a\nb"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError, match="PAPER_TOKEN_FILE"):
        control_token(Settings(paper_token_file=str(tmp_path / "token")), bound_to("0.0.0.0"))
    with pytest.raises(ConfigurationError, match="cannot be"):
        control_token(Settings(paper_token_file=str(tmp_path / "no" / "token")), bound_to("0.0.0.0"))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of an exchange that wants its token, and the token's file."""
    port, token = free_port(), tmp_path / "token"
    (tmp_path / "paper.toml").write_text("[market]\nspeed = 0\n")
    environment = {
        **AT_ONCE,
        "SHOAL_CONFIG": str(tmp_path),
        "PAPER_PORT": str(port),
        "PAPER_URL": f"http://127.0.0.1:{port}",
        "PAPER_TOKEN_FILE": str(token),
    }
    service = Service("paper", "services.paper_exchange", environment, tmp_path / "log").start()
    try:
        wait_for(lambda: "paper exchange started" in service.log(), 60, "it has started")
        yield f"http://127.0.0.1:{port}", str(token)
        assert token.read_text().strip() not in service.log()
    finally:
        service.stop()


def test_every_call_needs_the_token_and_the_venues_go_on_without(guarded: tuple[str, str]) -> None:
    url, file = guarded
    token = Path(file).read_text().strip()
    paths = [
        ("GET", "/paper/orders"),
        ("GET", "/paper/requests"),
        ("GET", "/paper/streams"),
        ("GET", "/paper/clock"),
        ("GET", "/paper/faults"),
        ("GET", "/paper/accounts/alice/kraken"),
        ("GET", "/paper/docs"),
        ("GET", "/paper/openapi.json"),
        ("GET", "/paper/identity/"),
        ("GET", "/paper/nothing"),
        ("GET", "/paperweight"),
        ("POST", "/paper/accounts"),
        ("POST", "/paper/price"),
        ("POST", "/paper/clock"),
        ("POST", "/paper/faults"),
        ("POST", "/paper/deposit"),
        ("POST", "/paper/withdraw"),
        ("POST", "/paper/rename"),
        ("DELETE", "/paper/faults"),
    ]
    with requests.Session() as session:
        session.trust_env = False
        for method, path in paths:
            for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": token}, {"Authorization": "Bearer "}):
                answer = session.request(method, url + path, headers=header, json={}, timeout=30)
                assert (answer.status_code, answer.json().keys()) == (401, {"detail"}), (method, path, header)
        assert session.get(f"{url}/paper/identity", timeout=30).json()["exchange"] == "shoal-paper"
        assert session.get(f"{url}/0/public/Time", timeout=30).status_code == 200
        assert session.post(f"{url}/0/private/AddOrder", data=BUY, timeout=30).json()["error"]
        known = {"Authorization": f"Bearer {token}"}
        assert session.get(f"{url}/paper/orders", headers=known, timeout=30).json() == []
        asked = {"symbol": "BTC/USD", "price": "61000"}
        assert session.post(f"{url}/paper/price", json=asked, headers=known, timeout=30).status_code == 200


def test_ops_creates_accounts_with_the_token_and_not_without(guarded: tuple[str, str], tmp_path: Path) -> None:
    url, file = guarded
    (tmp_path / "paper_accounts.toml").write_text("[accounts.alice.kraken]\nUSD = 5000\n")
    keys = {"KRAKEN_USER_ALICE_API_KEY": "PAPER-TEST", "KRAKEN_USER_ALICE_API_SECRET": "c2VjcmV0c2VjcmV0"}
    environment = {"PATH": os.environ["PATH"], "PAPER_URL": url, "SHOAL_CONFIG": str(tmp_path), **keys}
    refused = python_module.run("services.ops", ["paper-accounts"], environment)
    assert refused.returncode == 2
    assert "PAPER_TOKEN_FILE" in refused.stderr
    made = python_module.run("services.ops", ["paper-accounts"], {**environment, "PAPER_TOKEN_FILE": file})
    assert (made.returncode, "alice at kraken: ready with 5000 USD" in made.stdout) == (0, True), made.stderr
