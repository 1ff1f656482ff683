"""Every fault that acts on Coinbase's wire: what the client sees, what was processed, what the journal says."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.paper_exchange.coinbase.flags import FAULTS as FLAG_FAULTS, count_refusal, flags_of
from services.paper_exchange.coinbase.front import DelayedRequest
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.replies import success
from services.paper_exchange.coinbase.verdicts import verdict_of
from services.paper_exchange.coinbase.wire_faults import corrupt
from services.paper_exchange.control.messages import NewFault
from services.paper_exchange.core.fault_table import FAULTS, Stage
from services.paper_exchange.wire import Reply
from tests.unit.paper_exchange.coinbase.bench import VIEW_ONLY, Answer, Bench, Client, answer_of

PAIR = {"from_account": "USD", "to_account": "USDC"}
METHOD = "CommitConvertTrade"  # changes the account, once per quote


@pytest.fixture
def path(alice: Client) -> str:
    """A conversion of 10 USD that is yet to be carried out."""
    trade = alice.post("convert/quote", {**PAIR, "amount": "10"})["trade"]
    return f"convert/trade/{trade['id']}"


def moved(bench: Bench) -> Any:
    """Return how much was converted, whatever the client was told."""
    return bench.exchange.accounts["alice", "coinbase"].balances.get("USDC", Decimal(0))


def last_row(bench: Bench) -> tuple[object, object]:
    row = bench.journal()[-1]
    return row["verdict"], row.get("fault")


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("http_429", 429, b"rate_limit_exceeded"), ("http_429_html", 429, b"<html>"), ("http_502", 502, b"<html>"),
        ("http_503", 503, b"<html>"), ("http_520", 520, b"<html>"), ("html_error_page_before_accept", 200, b"<html>"),
    ],
)  # fmt: skip
def test_what_a_gateway_answers_never_reaches_the_venue(
    bench: Bench, alice: Client, path: str, fault: str, status: int, words: bytes
) -> None:
    bench.arm(fault, count=1)
    answer = alice.call("POST", path, PAIR)
    assert (answer.status, words in answer.body) == (status, True)
    assert moved(bench) == 0
    assert last_row(bench) == ("not processed", fault)
    assert alice.call("POST", path, PAIR).status == 200


def test_a_503_may_be_a_bare_text(bench: Bench, alice: Client) -> None:
    bench.arm("http_503_go_sg", count=1)
    answer = alice.call("GET", "accounts")
    assert answer.status == 503
    assert re.fullmatch(rb"go/sg/[0-9a-f-]{36}", answer.body)


def test_a_request_can_be_dropped_or_hang_before_it_is_read(bench: Bench, alice: Client, path: str) -> None:
    bench.arm("drop_before_process", count=1)
    bench.arm("hang", count=1, seconds=7)
    dropped, hangs = alice.raw("POST", path, PAIR), alice.raw("POST", path, PAIR)
    assert isinstance(dropped, Reply)
    assert dropped.dropped
    assert isinstance(hangs, Reply)
    assert (hangs.hangs, hangs.delay, moved(bench)) == (True, 7, 0)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("key_revoked_mid_run", 401), ("unauthorized_burst", 401), ("rate_limited", 429), ("too_many_requests", 429),
        ("permission_denied", 403), ("unavailable_before_accept", 503),
    ],
)  # fmt: skip
def test_a_valid_request_can_be_refused(bench: Bench, alice: Client, path: str, fault: str, status: int) -> None:
    bench.arm(fault, count=2)
    answers = [alice.call("POST", path, PAIR) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    if status == 401:
        assert answers[0].body.strip() == b"Unauthorized"
    else:
        assert isinstance(answers[0].json, dict)
    assert bench.journal()[-2]["fault"] == fault
    assert str(bench.journal()[-2]["verdict"]).startswith(str(status))


def test_a_burst_of_401_can_strike_at_random_with_a_seed(bench: Bench, alice: Client) -> None:
    bench.arm("unauthorized_burst", probability=0.3, seed=4)
    statuses = [alice.call("GET", "accounts").status for _ in range(100)]
    assert set(statuses) == {200, 401}
    assert 15 < statuses.count(401) < 45


def test_401_as_throttling_comes_with_the_fourth_request_of_a_second(bench: Bench, alice: Client) -> None:
    bench.arm("throttled_with_401", user="alice")
    statuses = [alice.call("GET", "accounts").status for _ in range(5)]
    assert statuses == [200, 200, 200, 401, 401]
    bench.clock.advance(1)
    assert alice.call("GET", "accounts").status == 200
    assert [bench.client("bob").call("GET", "accounts").status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(("method", "reason"), [("CommitConvertTrade", "ANY_WORD"), ("", "OTHER_WORD")])
def test_any_reason_can_be_asked_for(bench: Bench, alice: Client, path: str, method: str, reason: str) -> None:
    bench.arm("refused_with", method=method, error=reason, count=1)
    answer = alice.call("POST", path, PAIR)
    assert (answer.status, answer.json["error"], moved(bench)) == (400, reason, 0)
    bench.arm("fails_with_after_accept", method=METHOD, error=reason, count=1)
    answer = alice.call("POST", path, PAIR)
    assert (answer.status, answer.json["error"], moved(bench)) == (400, reason, 10)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("502_after_accept", 502, b"<html>"), ("html_error_page", 200, b"<html>"),
        ("unavailable_after_accept", 503, b"unavailable"),
        ("internal_error_after_accept", 500, b"internal_server_error"), ("truncated_json", 200, b'{"trade":'),
    ],
)  # fmt: skip
def test_a_processed_request_can_lose_its_answer(
    bench: Bench, alice: Client, path: str, fault: str, status: int, words: bytes
) -> None:
    bench.arm(fault, method=METHOD, count=1)
    answer = alice.call("POST", path, PAIR)
    assert (answer.status, words in answer.body) == (status, True)
    if fault == "truncated_json":
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            _ = answer.json
    assert moved(bench) == 10
    assert last_row(bench) == ("ok", fault)


def answer_to_an_order(bench: Bench, fault: str, error: str = "") -> dict[str, Any]:
    """Return what a fault makes of the answer to an accepted order."""
    bench.arm(fault, error=error)
    (switch,) = bench.exchange.faults
    accepted = success(
        {"success": True, "success_response": {"order_id": "1", "side": "BUY"}, "order_configuration": {}}
    )
    made: dict[str, Any] = json.loads(corrupt(accepted, switch, "CreateOrder", {"order_configuration": {"x": {}}}).body)
    return made


def test_the_id_of_an_order_can_be_where_it_was_in_older_answers(bench: Bench) -> None:
    assert answer_to_an_order(bench, "response_moves_order_id") == {
        "success": True, "success_response": {"side": "BUY"}, "order_configuration": {}, "order_id": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "field", "error"),
    [
        ("HOLD_FAILURE", "new_order_failure_reason", "HOLD_FAILURE"),
        ("PREVIEW_INSUFFICIENT_FUND", "preview_failure_reason", "UNKNOWN_FAILURE_REASON"),
    ],
)
def test_an_order_is_refused_with_any_reason_in_its_own_field(
    bench: Bench, reason: str, field: str, error: str
) -> None:
    answer = answer_to_an_order(bench, "fails_with_after_accept", reason)
    assert (answer["success"], answer["order_configuration"]) == (False, {"x": {}})
    response = answer["error_response"]
    assert (response[field], response["error"]) == (reason, error)
    assert verdict_of(answer) == reason


def test_a_processed_request_can_be_cut_off_or_answered_late(bench: Bench, alice: Client, path: str) -> None:
    bench.arm("processed_then_reply_dropped", method=METHOD, count=1)
    bench.arm("slow_reply", count=1, seconds=4)
    cut = alice.raw("POST", path, PAIR)
    assert isinstance(cut, Reply)
    assert (cut.dropped, moved(bench)) == (True, 10)
    slow = alice.raw("GET", "accounts")
    assert isinstance(slow, Reply)
    assert (slow.delay, slow.status) == (4, 200)
    bench.arm("stream_row_before_reply", method=METHOD, count=1, seconds=3)
    behind = alice.raw("POST", path, PAIR)
    assert isinstance(behind, Reply)
    assert (behind.delay, behind.status) == (3, 200)


def test_a_refused_request_is_not_touched_by_what_strikes_accepted_ones(bench: Bench, alice: Client) -> None:
    bench.arm("502_after_accept", method="CreateConvertQuote")
    assert alice.call("POST", "convert/quote", {}).status == 400


def test_a_delivery_can_come_twice(bench: Bench, alice: Client) -> None:
    bench.arm("duplicate_delivery", method="CreateConvertQuote", count=1)
    alice.post("convert/quote", {**PAIR, "amount": "10"})
    assert len(bench.front.venue.portfolios.of_user("alice")[0].conversions) == 2
    assert [row["method"] for row in bench.journal()] == ["CreateConvertQuote"] * 2


def delayed(bench: Bench, alice: Client, path: str, life: int) -> tuple[DelayedRequest, Reply]:
    """Send a request whose token lives so many seconds, to a venue that gets to it 12 s later."""
    bench.arm("delay_beyond_timeout_then_processed", method=METHOD, count=1)
    request = alice.request("POST", path, PAIR)
    now = int(bench.clock.now())
    request.authorization = "Bearer " + alice.sign({**alice.claims("POST", request.path), "exp": now + life})
    waiting = bench.front.answer(request)
    assert isinstance(waiting, DelayedRequest)
    assert last_row(bench) == ("unanswered", "delay_beyond_timeout_then_processed")
    bench.clock.advance(waiting.seconds)
    return waiting, bench.front.resume(waiting)


def test_a_delayed_request_is_processed_while_its_token_lives(bench: Bench, alice: Client, path: str) -> None:
    waiting, reply = delayed(bench, alice, path, life=13)
    assert (waiting.seconds, reply.status, moved(bench)) == (12, 200, 10)
    assert last_row(bench)[0] == "ok"


def test_a_delayed_request_is_refused_once_its_token_has_expired(bench: Bench, alice: Client, path: str) -> None:
    _, reply = delayed(bench, alice, path, life=12)
    assert (reply.status, moved(bench)) == (401, 0)
    assert last_row(bench)[0] == "401 Unauthorized"


@pytest.mark.parametrize(("fault", "shift"), [("clock_ahead", 30), ("clock_behind", -30)])
def test_the_venues_clock_can_be_off(bench: Bench, alice: Client, fault: str, shift: int) -> None:
    bench.arm(fault)
    assert int(bench.public("time").json["epochSeconds"]) == 1_700_000_000 + shift
    assert bench.front.venue.now() == 1_700_000_000 + shift
    assert alice.call("GET", "accounts").status == (200 if shift > 0 else 401), "a token of 120 s outlives 30 s"
    request = alice.request("GET", "accounts")
    claims = alice.claims("GET", request.path)
    right = {**claims, "nbf": claims["nbf"] + shift, "exp": claims["nbf"] + shift + 12}
    request.authorization = "Bearer " + alice.sign(right)
    assert answer_of(bench.front.answer(request)).status == 200
    bench.exchange.faults.clear()
    bench.arm(fault, seconds=3)
    assert int(bench.public("time").json["epochSeconds"]) == 1_700_000_000 + shift // 10


def test_a_key_can_lose_its_right_to_trade(bench: Bench, alice: Client, path: str) -> None:
    bench.arm("trade_permission_lost", user="alice")
    assert alice.call("POST", path, PAIR).json["error_details"] == "Missing required scopes"
    rights = alice.get("key_permissions")
    assert (rights["can_view"], rights["can_trade"]) == (True, False)
    assert [switch.fired for switch in bench.exchange.faults] == [1]
    bench.exchange.faults.clear()
    assert alice.call("POST", path, PAIR).status == 200


def test_a_key_can_be_moved_to_an_empty_portfolio(bench: Bench, alice: Client) -> None:
    before = alice.get("key_permissions")["portfolio_uuid"]
    bench.arm("portfolio_switched", user="alice")
    assert alice.get("accounts")["accounts"] == []
    rights = alice.get("key_permissions")
    assert rights["portfolio_uuid"] != before
    assert rights["portfolio_type"] == "CONSUMER"
    assert len(alice.get("portfolios")["portfolios"]) == 2
    bench.exchange.faults.clear()
    assert alice.get("key_permissions")["portfolio_uuid"] == before
    assert len(alice.get("accounts")["accounts"]) == 2


FLAGS = [
    ("product_disabled", "is_disabled"), ("product_cancel_only", "cancel_only"), ("product_limit_only", "limit_only"),
    ("product_post_only", "post_only"), ("product_trading_disabled", "trading_disabled"),
    ("product_auction_mode", "auction_mode"), ("product_view_only", "view_only"), ("pair_halted", "trading_disabled"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "flag"), FLAGS)
def test_a_products_flag_can_flip_with_its_alias_and_no_other(
    bench: Bench, alice: Client, fault: str, flag: str
) -> None:
    bench.arm(fault, symbol="BTC/USD", seconds=10)
    for product_id, expected in (("BTC-USD", True), ("BTC-USDC", True), ("ETH-USD", False)):
        product = alice.get("products/" + product_id)
        flags = {name for name in FLAG_FAULTS.values() if product[name]}
        assert flags == ({flag} if expected else set())
        assert bench.public("market/products/" + product_id).json == product
    bench.clock.advance(10)
    assert alice.get("products/BTC-USD")[flag] is False


@pytest.mark.parametrize(("fault", "flag"), [("cancel_only_mode", "cancel_only"), ("post_only_mode", "post_only")])
def test_a_mode_of_the_venue_is_a_flag_of_each_product(bench: Bench, alice: Client, fault: str, flag: str) -> None:
    bench.arm(fault)
    assert all(row[flag] for row in alice.get("products")["products"])


def test_a_product_can_go_offline_or_out_of_the_lists(bench: Bench, alice: Client) -> None:
    bench.arm("product_offline", symbol="BTC/USD", seconds=5)
    assert alice.get("products/BTC-USD")["status"] == "offline"
    assert flags_of(bench.exchange, PRODUCTS["BTC-USDC"]).halted
    bench.clock.advance(5)
    assert alice.get("products/BTC-USD")["status"] == "online"
    bench.arm("pair_not_listed", symbol="BTC/USD")
    ids = [row["product_id"] for row in alice.get("products")["products"]]
    assert (len(ids), "BTC-USD" in ids, "BTC-USDC" in ids) == (34, False, False)
    assert alice.call("GET", "products/BTC-USD").status == 200, "orders on it still work"


def test_a_refusal_by_a_flag_counts_for_the_faults_that_set_one(bench: Bench) -> None:
    for fault, symbol in (("product_limit_only", "BTC/USD"), ("product_offline", ""), ("product_view_only", "ETH/USD")):
        bench.arm(fault, symbol=symbol)
    count_refusal(bench.exchange, PRODUCTS["BTC-USDC"], "alice")
    assert [switch.fired for switch in bench.exchange.faults] == [1, 1, 0]


def test_rules_of_a_product_can_change(bench: Bench, alice: Client) -> None:
    bench.arm("ordermin_raised_mid_run", symbol="ETH/USD")
    bench.arm("precision_change", symbol="BTC/USD")
    bitcoin, ether = alice.get("products/BTC-USDC"), alice.get("products/ETH-USD")
    assert (bitcoin["price_increment"], bitcoin["base_increment"]) == ("0.1", "0.00001")
    assert (ether["base_min_size"], ether["base_increment"]) == ("0.000001", "0.00000001")
    assert (bitcoin["quote_min_size"], ether["quote_min_size"]) == ("1", "100")


def test_under_maintenance_nothing_private_is_served(bench: Bench, alice: Client) -> None:
    bench.arm("maintenance_mode")
    assert alice.call("GET", "accounts").status == 503
    assert bench.public("time").status == 200
    reader = bench.client("alice", permissions=VIEW_ONLY)
    assert reader.call("POST", "convert/quote", {}).status == 403


def test_public_methods_are_met_only_by_name(bench: Bench) -> None:
    bench.arm("http_503")
    assert bench.public("time").status == 200
    bench.arm("http_520", method="GetServerTime", count=1)
    bench.arm("unavailable_before_accept", method="GetServerTime", count=1)
    bench.arm("truncated_json", method="GetServerTime", count=1)
    answers: list[Answer] = [bench.public("time") for _ in range(4)]
    assert [answer.status for answer in answers] == [520, 503, 200, 200]
    assert len(answers[2].body) * 2 in range(len(answers[3].body) - 2, len(answers[3].body) + 2)


def test_a_fault_can_be_for_one_venue(bench: Bench, alice: Client) -> None:
    bench.arm("http_503", venue="kraken")
    assert alice.call("GET", "accounts").status == 200
    bench.arm("http_503", venue="coinbase")
    assert alice.call("GET", "accounts").status == 503


@pytest.mark.parametrize("fault", sorted(name for name, spec in FAULTS.items() if spec.venue == "kraken"))
def test_what_only_kraken_has_never_strikes_here(bench: Bench, alice: Client, fault: str) -> None:
    bench.arm(fault, error="x")
    assert alice.call("GET", "accounts").status == 200
    with pytest.raises(ValueError, match="of kraken only"):
        NewFault.model_validate({"fault": fault, "venue": "coinbase"})


def test_faults_of_the_wire_and_of_the_venues_state_have_a_test_here() -> None:
    text = Path(__file__).read_text()
    on_the_wire: dict[str, Any] = {
        name: spec
        for name, spec in FAULTS.items()
        if spec.stage not in {Stage.EFFECT, Stage.STREAM} and spec.venue in {"", "coinbase"}
    }
    assert [name for name in on_the_wire if f'"{name}"' not in text] == []
