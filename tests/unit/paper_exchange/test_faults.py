"""Every fault switch: when it strikes, what it does to requests and answers, and what the journal says.

What faults do to orders, balances, pairs and the venue's mode is in `test_order_faults`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.paper_exchange.core.fault_table import FAULTS, Stage
from services.paper_exchange.kraken.front import DelayedRequest
from services.paper_exchange.wire import Reply
from tests.unit.paper_exchange.faults import ORDER, answer, arm, placed
from tests.unit.paper_exchange.venue import Client, Venue


@pytest.mark.parametrize("status", [429, 502, 503, 520])
def test_an_http_error_comes_before_the_venue_looks(venue: Venue, alice: Client, status: int) -> None:
    arm(venue, f"http_{status}", count=1)
    reply = alice.raw("AddOrder", nonce="5", **ORDER)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body[:15]) == (status, b"<!DOCTYPE html>")
    assert placed(venue) == 0
    assert venue.journal()[-1]["verdict"] == "not processed"
    assert venue.journal()[-1]["fault"] == f"http_{status}"
    assert alice.call("AddOrder", nonce="5", **ORDER)["error"] == [], "its nonce was not used up"


@pytest.mark.parametrize("fault", ["drop_before_process", "hang", "html_error_page_before_accept"])
def test_nothing_happens_before_the_venue_looks(venue: Venue, alice: Client, fault: str) -> None:
    arm(venue, fault, count=1)
    reply = alice.raw("AddOrder", **ORDER)
    assert isinstance(reply, Reply)
    assert (reply.dropped, reply.hangs) == (fault == "drop_before_process", fault == "hang")
    assert (reply.body != b"") == (fault == "html_error_page_before_accept")
    assert placed(venue) == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("key_revoked_mid_run", "EAPI:Invalid key"),
        ("temporary_lockout", "EGeneral:Temporary lockout"),
        ("invalid_nonce_burst", "EAPI:Invalid nonce"),
    ],
)
def test_a_refusal_at_the_gate_leaves_the_nonce_unused(venue: Venue, alice: Client, fault: str, error: str) -> None:
    arm(venue, fault, count=1)
    assert alice.error("AddOrder", nonce="5", **ORDER) == error
    row = venue.journal()[-1]
    assert (row["verdict"], row["fault"]) == (error, fault)
    assert alice.call("AddOrder", nonce="5", **ORDER)["error"] == []
    assert placed(venue) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limited", "EAPI:Rate limit exceeded"),
        ("order_rate_limited", "EOrder:Rate limit exceeded"),
        ("too_many_requests", "EGeneral:Too many requests"),
        ("throttled", "EService:Throttled: 1700000002"),
        ("permission_denied", "EGeneral:Permission denied"),
        ("account_disabled", "EAuth:Account temporary disabled"),
        ("unavailable_before_accept", "EService:Unavailable"),
        ("busy", "EService:Busy"),
    ],
)
def test_a_refusal_behind_the_gate_uses_the_nonce_up_and_places_nothing(
    venue: Venue, alice: Client, fault: str, error: str
) -> None:
    arm(venue, fault, count=1)
    assert alice.error("AddOrder", nonce="5", **ORDER) == error
    assert alice.error("AddOrder", nonce="5", **ORDER) == "EAPI:Invalid nonce"
    assert placed(venue) == 0


@pytest.mark.parametrize("fault", ["rate_limited", "permission_denied"])
def test_a_forged_request_is_not_told_more_because_of_a_fault(venue: Venue, alice: Client, fault: str) -> None:
    arm(venue, fault)
    request = alice.request("AddOrder", ORDER)
    request.signature = b"forged"
    assert answer(alice.front.answer(request)) == {"error": ["EAPI:Invalid signature"]}


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("502_after_accept", 502, b"<!DOCTYPE html>"),
        ("html_error_page", 200, b"<!DOCTYPE html>"),
        ("truncated_json", 200, b'{"error":[],"re'),
        ("unavailable_after_accept", 200, b'{"error":["EService:Unavailable"]}'),
        ("internal_error_after_accept", 200, b'{"error":["EGeneral:Internal error"]}'),
        ("processed_then_reply_dropped", 200, b""),
    ],
)
def test_an_answer_spoilt_after_the_order_was_accepted(
    venue: Venue, alice: Client, fault: str, status: int, body: bytes
) -> None:
    arm(venue, fault, count=1)
    reply = alice.raw("AddOrder", **ORDER)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body[: len(body)]) == (status, body)
    assert reply.dropped == (fault == "processed_then_reply_dropped")
    if fault == "truncated_json":
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(reply.body)
    (order,) = alice.ok("ClosedOrders", cl_ord_id="once")["closed"].values()
    assert order["status"] == "closed"
    journal = [row for row in venue.journal() if row["method"] == "AddOrder"]
    assert [(row["verdict"], row["fault"]) for row in journal] == [("ok", fault)]


def test_a_refused_order_is_not_counted_as_spoilt_after_accept(venue: Venue, alice: Client) -> None:
    arm(venue, "502_after_accept", count=1)
    assert alice.error("AddOrder", **{**ORDER, "volume": "1000"}) == "EOrder:Insufficient funds"
    reply = alice.raw("AddOrder", **ORDER)
    assert isinstance(reply, Reply)
    assert reply.status == 502


def test_a_slow_reply_comes_late_to_what_was_done_at_once(venue: Venue, alice: Client) -> None:
    arm(venue, "slow_reply", seconds=7, count=1)
    reply = alice.raw("AddOrder", **ORDER)
    assert isinstance(reply, Reply)
    assert reply.delay == 7
    assert placed(venue) == 1


def test_a_moved_order_id_is_not_where_it_used_to_be(venue: Venue, alice: Client) -> None:
    arm(venue, "response_moves_order_id", count=1)
    result = alice.ok("AddOrder", **ORDER)
    assert "txid" not in result
    assert result["order"]["ids"] == list(alice.ok("ClosedOrders")["closed"])


def test_the_answer_can_wait_while_the_stream_does_not(venue: Venue, alice: Client) -> None:
    arm(venue, "stream_row_before_reply", seconds=3, count=1)
    reply = alice.raw("AddOrder", **ORDER)
    assert isinstance(reply, Reply)
    assert (reply.delay, placed(venue)) == (3, 1)
    assert answer(reply)["error"] == []


@pytest.mark.parametrize(("deadline", "done"), [("", 1), ("2023-11-14T22:13:25Z", 0), ("2023-11-14T22:13:55Z", 1)])
def test_a_delayed_request_is_processed_late_unless_its_deadline_says_no(
    venue: Venue, alice: Client, deadline: str, done: int
) -> None:
    arm(venue, "delay_beyond_timeout_then_processed", seconds=12, count=1)
    waiting = alice.raw("AddOrder", **{**ORDER, "deadline": deadline})
    assert isinstance(waiting, DelayedRequest)
    assert waiting.seconds == 12
    assert (placed(venue), venue.journal()[-1]["verdict"]) == (0, "unanswered")
    venue.clock.advance(12)
    later = answer(alice.front.resume(waiting))
    assert placed(venue) == done
    assert venue.journal()[0]["verdict"] == ("ok" if done else "EService:Deadline elapsed")
    assert bool(later["error"]) is not bool(done)


def test_a_duplicate_delivery_arrives_twice_and_is_done_once(venue: Venue, alice: Client) -> None:
    arm(venue, "duplicate_delivery", count=1)
    assert alice.call("AddOrder", **ORDER)["error"] == []
    assert [row["verdict"] for row in venue.journal()] == ["ok", "EAPI:Invalid nonce"]
    assert placed(venue) == 1


def test_the_other_spellings_of_three_causes(venue: Venue, alice: Client) -> None:
    reader = venue.client("reader", permissions=["query-funds"])
    venue.exchange.faults.arm("other_spellings", user="somebody else")
    assert alice.refused("buy", "market", "0.00001") == "EGeneral:Invalid arguments:volume minimum not met"
    arm(venue, "other_spellings", method="AddOrder", count=1, user="alice")
    assert alice.error("CancelOrder", txid="OB6JJR-7NZ5P-N5SKCB") == "EOrder:Unknown order"
    assert alice.refused("buy", "market", "0.00001") == "EOrder:Order minimum not met"
    arm(venue, "other_spellings")
    assert alice.refused("buy", "market", "0.00001") == "EOrder:Order minimum not met"
    assert alice.error("CancelOrder", txid="OB6JJR-7NZ5P-N5SKCB") == "EOrder:Invalid order"
    assert reader.error("AddOrder") == "EAPI:Permission denied"


def test_a_switch_meets_its_user_and_method_only(venue: Venue, alice: Client) -> None:
    bob = venue.client("bob")
    arm(venue, "rate_limited", user="alice", method="Balance")
    assert alice.error("Balance") == "EAPI:Rate limit exceeded"
    assert alice.call("BalanceEx")["error"] == []
    assert bob.call("Balance")["error"] == []


def test_a_count_and_a_time_end_a_switch(venue: Venue, alice: Client) -> None:
    arm(venue, "busy", count=2)
    assert [alice.call("Balance")["error"] for _ in range(3)] == [["EService:Busy"], ["EService:Busy"], []]
    venue.exchange.faults.clear()
    arm(venue, "busy", seconds=10)
    assert alice.error("Balance") == "EService:Busy"
    venue.clock.advance(10)
    assert alice.call("Balance")["error"] == []


def test_a_probability_is_rolled_with_the_switchs_own_seed() -> None:
    def struck(seed: int) -> list[bool]:
        venue = Venue()
        client = venue.client("alice")
        arm(venue, "busy", probability=0.5, seed=seed)
        return [client.call("Balance")["error"] != [] for _ in range(60)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 15 < sum(struck(1)) < 45


def test_public_methods_are_met_only_by_name(venue: Venue) -> None:
    arm(venue, "http_503")
    assert venue.public("Time")["error"] == []
    arm(venue, "busy", method="Ticker", count=1)
    assert venue.public("Ticker", pair="XBTUSD") == {"error": ["EService:Busy"]}
    assert venue.public("Ticker", pair="XBTUSD")["error"] == []


def test_every_fault_of_the_table_has_a_test_here() -> None:
    files = [
        Path(__file__).with_name(name) for name in ("test_faults.py", "test_order_faults.py", "test_listing_faults.py")
    ]
    text = "".join(file.read_text() for file in files)
    by_status = {f"http_{status}" for status in (429, 502, 503, 520)}
    here = {
        name for name, spec in FAULTS.items() if spec.venue in {"", "kraken"} and spec.stage is not Stage.STREAM
    }  # those of the streams: test_stream_faults.py
    assert [name for name in here - by_status if f'"{name}"' not in text] == []


@pytest.mark.parametrize(
    "error",
    [
        "EDatabase:Internal error", "EOrder:Domain rate limit exceeded", "EAuth:Account unconfirmed", "EAuth:Rate limit exceeded",
        "EAccount:Invalid permissions:BTC trading restricted for DE.", "EOrder:Scheduled orders limit exceeded",
        "EOrder:Positions limit exceeded", "EOrder:Insufficient margin", "EOrder:Cannot open position",
        "EOrder:Tick size check failed", "EQuery:Invalid asset pair", "EAPI:Invalid token", "ESession:Invalid session",
    ],
)  # fmt: skip
def test_any_error_of_the_catalogue_can_be_asked_for(venue: Venue, alice: Client, error: str) -> None:
    arm(venue, "refused_with", error=error, count=1)
    assert alice.error("AddOrder", **ORDER) == error
    assert placed(venue) == 0
    arm(venue, "fails_with_after_accept", error=error, count=1)
    assert alice.error("AddOrder", **ORDER) == error
    assert placed(venue) == 1


def test_a_warning_comes_with_a_result(venue: Venue, alice: Client) -> None:
    arm(venue, "warning", error="WGeneral:Danger", count=1)
    answer = alice.call("AddOrder", **ORDER)
    assert answer["error"] == ["WGeneral:Danger"]
    assert answer["result"]["txid"]


def test_an_error_may_come_with_an_empty_result(venue: Venue, alice: Client) -> None:
    arm(venue, "error_with_result")
    answer = alice.call("AddOrder", **{**ORDER, "volume": "1000"})
    assert answer == {"error": ["EOrder:Insufficient funds"], "result": {}}
