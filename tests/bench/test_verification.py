"""The bench believes nothing that its venue did not see: whatever goes wrong on the way is told, and the run fails."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coinbase.jwt_generator import build_rest_jwt, format_jwt_uri

from shared.domain.order import order_id
from tests.bench.accounts import Account, make_accounts
from tests.bench.rounds import judge
from tests.bench.signing import PATH, Signer
from tests.bench.turns import PATH as BARE_PATH, PATH_AT_COINBASE, SHOAL, SHOAL_AT_COINBASE
from tests.bench.venue_process import Seen, VenueProcess
from tests.bench.verify import Verification
from tests.support.processes import ROOT

_PATIENCE = 280.0
"""Seconds: a busy machine makes a run slow, and never red."""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path) as venue:
        yield venue


@pytest.fixture
def account(venue: VenueProcess) -> Account:
    [account] = make_accounts(1)
    venue.open_accounts([account])
    return account


def send(venue: VenueProcess, account: Account, body: bytes, signature: bytes) -> Any:
    link = http.client.HTTPConnection("127.0.0.1", venue.port, timeout=10)
    link.request("POST", PATH.decode(), body, {"API-Key": account.key, "API-Sign": signature.decode()})
    answer = json.loads(link.getresponse().read())
    link.close()
    return answer


def seen(user: str, signal_id: str, nonce: int = 1, at: int = 2_000_000) -> Seen:
    return Seen(user, order_id(signal_id, user, "kraken"), nonce, at, at, 1)


ORDERS = "/api/v3/brokerage/orders"
SIGNAL = "c8a0c5a3-7a1f-4dd2-8d3e-2f6c2f6f0c11"


def test_the_venue_takes_a_signed_order_and_logs_it(venue: VenueProcess, account: Account) -> None:
    signer = Signer(account, "venue")
    assert send(venue, account, *signer.sign())["error"] == []
    [order] = venue.orders()
    assert (order.user, order.arrived <= order.accepted) == (account.user, True)
    assert venue.state() | {"calls": 0} == {"orders": 1, "calls": 0, "bad_signatures": 0, "bad_nonces": 0, "unread": 1}


def test_a_nonce_that_does_not_rise_is_refused_and_fails_the_run(venue: VenueProcess, account: Account) -> None:
    body, signature = Signer(account, "venue").sign()
    send(venue, account, body, signature)
    assert send(venue, account, body, signature)["error"] == ["EAPI:Invalid nonce"]
    verdict = Verification()
    verdict.add("test", [], venue.orders(), venue.state())
    assert (verdict.invalid_nonces, verdict.orders, verdict.ok) == (1, 1, False)


def test_a_wrong_signature_is_refused_and_fails_the_run(venue: VenueProcess, account: Account) -> None:
    body, _ = Signer(account, "venue").sign()
    _, other = Signer(account, "venue").sign()
    assert send(venue, account, body + b"&volume=100", other)["error"] == ["EAPI:Invalid signature"]
    verdict = Verification()
    verdict.add("test", [], venue.orders(), venue.state())
    assert (verdict.invalid_signatures, verdict.orders, verdict.ok) == (1, 0, False)


@pytest.fixture
def at_coinbase(venue: VenueProcess) -> Account:
    [account] = make_accounts(1, "coinbase")
    venue.open_accounts([account])
    return account


def post(venue: VenueProcess, account: Account, secret: str, path: str = ORDERS) -> int:
    """Send an order with a token for a path that is signed with a secret; answers the status."""
    asked = {"client_order_id": "of-mine", "product_id": "BTC-USD", "side": "BUY"}
    body = json.dumps({**asked, "order_configuration": {"sor_limit_ioc": {"base_size": "1", "limit_price": "1"}}})
    token = build_rest_jwt(format_jwt_uri("POST", path), account.key, secret)
    link = http.client.HTTPConnection("127.0.0.1", venue.port, timeout=10)
    link.request("POST", ORDERS, body, {"Authorization": f"Bearer {token}"})
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.status


def test_the_venue_takes_an_order_with_a_token_of_its_key_and_logs_it(
    venue: VenueProcess, at_coinbase: Account
) -> None:
    assert post(venue, at_coinbase, at_coinbase.secret) == 200
    [order] = venue.orders()
    assert (order.user, order.client_id) == (at_coinbase.user, "of-mine")


def test_a_token_of_another_key_or_for_another_path_is_refused_and_fails_the_run(
    venue: VenueProcess, at_coinbase: Account
) -> None:
    [other] = make_accounts(1, "coinbase")
    assert post(venue, at_coinbase, other.secret) == 401
    assert post(venue, at_coinbase, at_coinbase.secret, f"{ORDERS}/preview") == 401
    verdict = Verification()
    verdict.add("test", [], venue.orders(), venue.state())
    assert (verdict.invalid_signatures, verdict.orders, verdict.ok) == (2, 0, False)


def test_an_order_under_the_id_of_another_venue_fails_the_run() -> None:
    there = judge(SIGNAL, 0, ["alice"], [seen("alice", SIGNAL)], entry=True, venue="coinbase")
    assert len(there.wrong) == 2


def test_falling_nonces_are_found_even_if_the_venue_let_them_pass() -> None:
    verdict = Verification()
    log = [seen("alice", SIGNAL, 7), seen("bob", SIGNAL, 3), seen("alice", SIGNAL, 7)]
    verdict.add("test", [], log, {"bad_nonces": 0, "bad_signatures": 0})
    assert verdict.invalid_nonces == 1


def test_an_order_that_came_twice_or_never_or_from_nowhere_fails_the_run() -> None:
    twice = judge(SIGNAL, 0, ["alice", "bob"], [seen("alice", SIGNAL, 1), seen("alice", SIGNAL, 2)], entry=True)
    strange = judge(
        SIGNAL, 0, ["alice"], [seen("alice", SIGNAL, 1), seen("alice", "d" * 8 + SIGNAL[8:], 2)], entry=True
    )
    verdict = Verification()
    verdict.add("test", [twice, strange], [], {"bad_nonces": 0, "bad_signatures": 0})
    assert (verdict.duplicates, verdict.missing, verdict.extra, verdict.ok) == (1, 1, 1, False)


def test_a_round_is_timed_from_before_the_signal_to_each_acceptance() -> None:
    orders = [seen("bob", SIGNAL, 1, at=9_000_000), seen("alice", SIGNAL, 1, at=4_000_000)]
    played = judge(SIGNAL, 1_000_000, ["alice", "bob"], orders, entry=True)
    assert (played.users, played.first, played.all, played.wrong) == (("alice", "bob"), 3.0, 8.0, ())


def run_bench(*words: str) -> dict[str, Any]:
    """Run the bench and return its figures; whatever ends the test ends all that the run has started."""
    command = [sys.executable, "-m", "tests.bench", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            out, err = running.communicate(timeout=_PATIENCE)
        except BaseException:
            os.killpg(running.pid, signal.SIGKILL)
            raise
    assert running.returncode == 0, out + err
    figures: dict[str, Any] = json.loads(out.splitlines()[-1])
    return figures


def test_a_quick_run_of_the_real_services_is_verified(tmp_path: Path) -> None:
    figures = run_bench("--quick", "--only", "floors,shoal,venues", "--folder", str(tmp_path))
    assert figures["ok"] is True
    assert (figures["signals"], figures["orders"]) == (82, 604)
    assert not any(figures[name] for name in ("missing", "duplicates", "invalid_nonces", "invalid_signatures"))
    [saved] = tmp_path.glob("*.json")
    measured = json.loads(saved.read_text())
    assert len(measured["rows"]) == 4
    [venues] = measured["turns"]
    assert venues["rounds"].keys() == {SHOAL, SHOAL_AT_COINBASE, BARE_PATH, PATH_AT_COINBASE}
    assert {len(taken) for taken in venues["rounds"].values()} == {4}


def test_one_server_and_a_cluster_carry_the_same_signals(tmp_path: Path) -> None:
    figures = run_bench("--quick", "--only", "nodes", "--users", "4", "--rounds", "1", "--folder", str(tmp_path))
    assert (figures["ok"], figures["signals"], figures["orders"]) == (True, 16, 64)
    assert any("a cluster / one server" in name and value for name, value in figures["goals"].items())
