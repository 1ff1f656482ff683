"""Who may come in: key, lockout, signature, nonce, in this order, and what the journal says of it."""

from __future__ import annotations

from base64 import b64decode
from itertools import count

import pytest

from services.paper_exchange.kraken.front import Request
from services.paper_exchange.kraken.gate import sign
from services.paper_exchange.wire import Reply
from tests.unit.paper_exchange.venue import FORM, Client, Venue

KDOC_SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
KDOC_BODY = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
KDOC_SIGNATURE = b"4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


def test_the_documented_signature_is_reproduced() -> None:
    assert sign(b64decode(KDOC_SECRET), "/0/private/AddOrder", "1616492376594", KDOC_BODY) == KDOC_SIGNATURE


def test_the_documented_request_is_let_in_byte_for_byte(venue: Venue) -> None:
    venue.client("kdoc", api_key="kdoc", api_secret=KDOC_SECRET)
    reply = venue.front.answer(Request("POST", "/0/private/AddOrder", b"", "kdoc", KDOC_SIGNATURE, FORM, KDOC_BODY))
    assert isinstance(reply, Reply)
    assert b'"order":"buy 1.25000000 XBTUSD @ limit 37500.0"' in reply.body


@pytest.mark.parametrize("key", ["", "fake"])
def test_a_missing_or_unknown_key_is_answered_with_the_bare_error(venue: Venue, key: str) -> None:
    reply = venue.front.answer(Request("POST", "/0/private/AddOrder", b"", key, b"fake", FORM, b"nonce=1"))
    assert isinstance(reply, Reply)
    assert reply.body == b'{"error":["EAPI:Invalid key"]}'


def test_a_body_changed_after_signing_is_refused_and_its_nonce_is_not_used_up(alice: Client) -> None:
    request = alice.request("AddOrder", {"nonce": "10", "pair": "XBTUSD", "volume": "1"})
    forged = Request(**{**{f: getattr(request, f) for f in request.__slots__}, "body": request.body + b"0"})
    reply = alice.front.answer(forged)
    assert isinstance(reply, Reply)
    assert reply.body == b'{"error":["EAPI:Invalid signature"]}'
    assert alice.call("Balance", nonce="10")["error"] == []


def test_the_path_is_part_of_the_signature(alice: Client) -> None:
    request = alice.request("Balance", {})
    request.path = "/0/private/CancelAll"
    reply = alice.front.answer(request)
    assert isinstance(reply, Reply)
    assert reply.body == b'{"error":["EAPI:Invalid signature"]}'


def test_a_nonce_must_be_above_the_last_accepted_one(alice: Client) -> None:
    assert alice.call("Balance", nonce="100")["error"] == []
    assert alice.error("Balance", nonce="100") == "EAPI:Invalid nonce"
    assert alice.error("Balance", nonce="99") == "EAPI:Invalid nonce"
    assert alice.call("Balance", nonce="101")["error"] == []


@pytest.mark.parametrize("nonce", ["", "abc", "-5", "1.5", "1e9", str(2**64), "9" * 40, "\u0661"])
def test_what_is_no_64_bit_number_is_no_nonce(alice: Client, nonce: str) -> None:
    assert alice.error("Balance", nonce=nonce) == "EAPI:Invalid nonce"


def test_the_largest_64_bit_nonce_is_accepted_and_ends_the_key(alice: Client) -> None:
    assert alice.call("Balance", nonce=str(2**64 - 1))["error"] == []
    assert alice.error("Balance", nonce=str(2**64 - 1)) == "EAPI:Invalid nonce"


def test_a_refused_order_has_used_up_its_nonce(alice: Client) -> None:
    assert alice.error("AddOrder", nonce="50", pair="NOPE", volume="1").startswith("EQuery")
    assert alice.error("Balance", nonce="50") == "EAPI:Invalid nonce"


def test_a_nonce_window_lets_late_ones_in_once(venue: Venue) -> None:
    client = venue.client("windowed", nonce_window=5000)
    assert client.call("Balance", nonce="10000")["error"] == []
    assert client.call("Balance", nonce="6000")["error"] == []
    assert client.error("Balance", nonce="6000") == "EAPI:Invalid nonce"
    assert client.error("Balance", nonce="10000") == "EAPI:Invalid nonce"
    assert client.error("Balance", nonce="5000") == "EAPI:Invalid nonce"


def test_two_keys_of_one_account_count_their_nonces_apart(venue: Venue) -> None:
    first, second = venue.client("alice"), venue.client("alice")
    assert first.call("Balance", nonce="1000")["error"] == []
    assert second.call("Balance", nonce="5")["error"] == []


def test_a_json_body_is_signed_and_read_like_a_form(alice: Client) -> None:
    assert set(alice.ok("Balance", as_json=True, nonce=7)) == {"ZUSD", "XXBT"}
    assert alice.error("Balance", as_json=True, nonce=7) == "EAPI:Invalid nonce"


def test_five_failures_in_a_row_lock_a_key_out_and_each_retry_starts_the_time_anew(venue: Venue, alice: Client) -> None:
    alice.ok("Balance", nonce="100")
    for _ in range(5):
        assert alice.error("Balance", nonce="1") == "EAPI:Invalid nonce"
    alice.nonces = count(200)
    assert alice.error("Balance") == "EGeneral:Temporary lockout"
    venue.clock.advance(600)
    assert alice.error("Balance") == "EGeneral:Temporary lockout"
    venue.clock.advance(600)
    assert alice.error("Balance") == "EGeneral:Temporary lockout"
    venue.clock.advance(901)
    assert alice.call("Balance")["error"] == []


def test_a_success_in_between_forgives_failures(alice: Client) -> None:
    for nonce in range(10, 30):
        assert alice.call("Balance", nonce=str(nonce))["error"] == []
        assert alice.error("Balance", nonce="1") == "EAPI:Invalid nonce"


def test_one_locked_key_leaves_the_accounts_other_key_alone(venue: Venue, alice: Client) -> None:
    other = venue.client("alice")
    alice.ok("Balance", nonce="9")
    for _ in range(5):
        alice.error("Balance", nonce="1")
    assert alice.error("Balance", nonce="99") == "EGeneral:Temporary lockout"
    assert other.call("Balance")["error"] == []


def test_unknown_methods_are_named_before_the_key_is_looked_at(venue: Venue) -> None:
    for verb, path in (
        ("POST", "/0/private/Nope"),
        ("GET", "/0/private/Balance"),
        ("GET", "/0/public/Nope"),
        ("GET", "/0/x"),
    ):
        reply = venue.front.answer(Request(verb, path, b"", "fake", b"", b"", b""))
        assert isinstance(reply, Reply)
        assert reply.body == b'{"error":["EGeneral:Unknown method"]}'


def test_the_journal_shows_every_request_in_the_order_of_arrival_with_its_verdict(venue: Venue, alice: Client) -> None:
    alice.call("Balance", nonce="10")
    alice.call("Balance", nonce="9")
    alice.call("AddOrder", nonce="11", pair="XBTUSD", type="buy", ordertype="market", volume="1000")
    alice.call("Balance", nonce="abc")
    venue.front.answer(Request("POST", "/0/private/Balance", b"", "stranger", b"", FORM, b"nonce=77"))
    rows = [(row["user"], row["method"], row["nonce"], row["verdict"]) for row in venue.journal()]
    assert rows == [
        ("alice", "Balance", 10, "ok"),
        ("alice", "Balance", 9, "EAPI:Invalid nonce"),
        ("alice", "AddOrder", 11, "EOrder:Insufficient funds"),
        ("alice", "Balance", "abc", "EAPI:Invalid nonce"),
        ("", "Balance", 77, "EAPI:Invalid key"),
    ]
    assert {row["api_key"] for row in venue.journal()} == {"PAPER0", "stranger"}
    only = [row["nonce"] for row in venue.exchange.journal.requests("stranger")]
    assert only == [77]
    assert list(venue.exchange.journal.requests("nobody")) == []
