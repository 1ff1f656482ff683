"""GetApiKeyInfo in the shape of docs.kraken.com, and what its fields do."""

from __future__ import annotations

from typing import Any

from tests.unit.paper_exchange.venue import QUERY_ONLY, Venue


def test_a_key_is_told_its_rights_in_krakens_words(venue: Venue) -> None:
    info = venue.client("alice").ok("GetApiKeyInfo")
    assert info["permissions"] == [
        "query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades", "query-ledger",
        "create-ws-token",
    ]  # fmt: skip
    reader = venue.client("alice", permissions=[*QUERY_ONLY, "withdraw"]).ok("GetApiKeyInfo")
    assert "withdraw-funds" in reader["permissions"]
    assert "modify-trades" not in reader["permissions"]


def test_the_nonce_is_the_one_of_the_request_itself(venue: Venue) -> None:
    alice = venue.client("alice", nonce_window=7)
    alice.ok("Balance")
    info = alice.ok("GetApiKeyInfo")
    assert info["nonce"] == str(venue.journal()[-1]["nonce"]) == str(venue.exchange.keys[alice.name].last_nonce)
    assert info["nonceWindow"] == 7


def test_what_is_not_set_is_zero_or_empty_and_times_are_texts(venue: Venue) -> None:
    info = venue.client("alice").ok("GetApiKeyInfo")
    assert (info["validUntil"], info["queryFrom"], info["queryTo"], info["ipAllowlist"]) == ("0", "0", "0", [])
    assert info["createdTime"].isdigit()
    assert info["lastUsed"] == str(int(venue.clock.now()))


def test_a_key_shows_its_addresses_and_dies_at_its_expiry(venue: Venue) -> None:
    until = int(venue.clock.now()) + 60
    alice = venue.client("alice", ip_allowlist=["192.0.2.1", "198.51.100.0/24"], valid_until=until)
    info = alice.ok("GetApiKeyInfo")
    assert (info["ipAllowlist"], info["validUntil"]) == (["192.0.2.1", "198.51.100.0/24"], str(until))
    venue.clock.advance(61)
    assert alice.error("GetApiKeyInfo") == "EAPI:Invalid key"


def test_a_withdrawal_is_only_ever_asked_for_its_fee_and_to_no_address(venue: Venue) -> None:
    form: dict[str, Any] = {"asset": "XBT", "key": "cold", "amount": "0.1"}
    assert venue.client("alice").error("WithdrawInfo", **form) == "EGeneral:Permission denied"
    owner = venue.client("alice", permissions=["withdraw"])
    assert owner.error("WithdrawInfo", **form) == "EFunding:Unknown withdraw key"
    assert owner.error("WithdrawInfo", asset="XBT") == "EGeneral:Invalid arguments:key"
