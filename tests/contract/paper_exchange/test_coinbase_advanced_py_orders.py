"""coinbase-advanced-py against the paper Coinbase: each of its order methods, cancels, edits, previews, lists, fills."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import requests
from coinbase.rest import RESTClient

from tests.contract.paper_exchange.coinbase_client import open_account
from tests.contract.paper_exchange.conftest import FROZEN, Paper, Start, numbers

BTC = "BTC-USD"
UP, DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"
END = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
FUNDS = {"USD": "1000000", "BTC": "20", "USDC": "10000"}

Account = tuple[dict[str, str], RESTClient]


@pytest.fixture(scope="module")
def shared_paper(start: Start) -> Paper:
    """An exchange without rate limits."""
    return start(FROZEN + "[limits]\ncoinbase = false\n")


@pytest.fixture
def account(paper: Paper) -> Account:
    """A rich account, with the price where the tests expect it."""
    paper.price("60000")
    return open_account(paper, f"orders{next(numbers)}", tier="unlimited", balances=FUNDS)


@pytest.fixture
def client(account: Account) -> RESTClient:
    return account[1]


# The base name of a family of methods, its arguments after product and side, and what becomes of the order.
FAMILIES: tuple[tuple[str, dict[str, Any], dict[str, Any], str, str, str], ...] = (
    ("market_order", {"quote_size": "600"}, {"base_size": "0.01"}, "FILLED", "MARKET", "IMMEDIATE_OR_CANCEL"),
    ("limit_order_ioc", {"limit_price": "60010"}, {"limit_price": "59990"}, "FILLED", "LIMIT", "IMMEDIATE_OR_CANCEL"),
    ("limit_order_fok", {"limit_price": "60010"}, {"limit_price": "59990"}, "FILLED", "LIMIT", "FILL_OR_KILL"),
    ("limit_order_gtc", {"limit_price": "59000"}, {"limit_price": "61000"}, "OPEN", "LIMIT", "GOOD_UNTIL_CANCELLED"),
    ("limit_order_gtd", {"limit_price": "59000", "end_time": END}, {"limit_price": "61000", "end_time": END},
     "OPEN", "LIMIT", "GOOD_UNTIL_DATE_TIME"),
    ("stop_limit_order_gtc", {"limit_price": "61100", "stop_price": "61000", "stop_direction": UP},
     {"limit_price": "58900", "stop_price": "59000", "stop_direction": DOWN}, "OPEN", "STOP_LIMIT", "GOOD_UNTIL_CANCELLED"),
    ("stop_limit_order_gtd", {"limit_price": "61100", "stop_price": "61000", "end_time": END, "stop_direction": UP},
     {"limit_price": "58900", "stop_price": "59000", "end_time": END, "stop_direction": DOWN},
     "OPEN", "STOP_LIMIT", "GOOD_UNTIL_DATE_TIME"),
    ("trigger_bracket_order_gtc", {"limit_price": "58000", "stop_trigger_price": "62000"},
     {"limit_price": "62000", "stop_trigger_price": "58000"}, "OPEN", "BRACKET", "GOOD_UNTIL_CANCELLED"),
    ("trigger_bracket_order_gtd", {"limit_price": "58000", "stop_trigger_price": "62000", "end_time": END},
     {"limit_price": "62000", "stop_trigger_price": "58000", "end_time": END}, "OPEN", "BRACKET", "GOOD_UNTIL_DATE_TIME"),
)  # fmt: skip
names_of_families = [family[0] for family in FAMILIES]


@pytest.mark.parametrize("family", FAMILIES, ids=names_of_families)
def test_each_order_method(client: RESTClient, family: tuple[Any, ...]) -> None:
    name, buying, selling, status, kind, force = family
    sized = {} if name == "market_order" else {"base_size": "0.01"}
    for side, arguments, method, more in (
        ("BUY", buying, f"{name}_buy", ()), ("SELL", selling, f"{name}_sell", ()),
        ("BUY", buying, name, ("BUY",)), ("SELL", selling, name, ("SELL",)),
    ):  # fmt: skip
        client_order_id = str(uuid4())
        answer = getattr(client, method)(client_order_id, BTC, *more, **sized, **arguments)
        assert answer.success is True
        accepted = answer.success_response
        assert (accepted["product_id"], accepted["side"], accepted["client_order_id"]) == (BTC, side, client_order_id)
        order = client.get_order(accepted["order_id"]).order
        assert order is not None
        assert (order.status, order.order_type, order.time_in_force, order.side) == (status, kind, force, side)
        assert order.client_order_id == client_order_id
        assert Decimal(order.filled_size or "x") > 0 if status == "FILLED" else order.filled_size == "0"
        if status == "OPEN":
            (result,) = client.cancel_orders([accepted["order_id"]]).results or []
            assert (result.success, result.failure_reason) == (True, "UNKNOWN_CANCEL_FAILURE_REASON")
            assert client.get_order(accepted["order_id"]).order.status == "CANCELLED"


@pytest.mark.parametrize("family", FAMILIES, ids=names_of_families)
def test_each_preview_method(paper: Paper, account: Account, family: tuple[Any, ...]) -> None:
    made, client = account
    name, buying, selling = family[:3]
    sized = {} if name == "market_order" else {"base_size": "0.01"}
    for side, arguments in (("buy", buying), ("sell", selling)):
        shown = getattr(client, f"preview_{name}_{side}")(BTC, **sized, **arguments)
        assert (shown.errs, bool(shown.preview_id)) == ([], True)
        assert Decimal(shown.order_total) > Decimal(shown.commission_total) > 0
        assert (shown.best_bid, shown.best_ask) == ("59994", "60006")
    refused = getattr(client, f"preview_{name}_sell")(BTC, **{**selling, "base_size": "21"})
    assert refused.errs == ["PREVIEW_INSUFFICIENT_FUND"]
    assert paper.get("orders", user=made["user"]) == []


def test_an_order_by_its_configuration_and_a_refused_one(paper: Paper, account: Account) -> None:
    made, client = account
    configuration = {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "59000", "post_only": True}}
    answer = client.create_order("mine", BTC, "BUY", configuration)
    assert answer.success is True
    assert answer.order_configuration is not None
    assert answer.order_configuration.to_dict()["limit_limit_gtc"]["limit_price"] == "59000"
    refused = client.create_order("other", BTC, "BUY", {"market_market_ioc": {"base_size": "100"}})
    assert refused.success is False
    assert refused.error_response["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"
    assert refused.error_response["message"] == "Insufficient balance in source account"
    (row,) = paper.get("orders", user=made["user"])
    assert (row["client_order_id"], row["symbol"], row["venue"]) == ("mine", "BTC/USD", "coinbase")
    assert paper.get("orders", user=made["user"], client_order_id="other") == []


def test_a_replay_gives_the_first_order(paper: Paper, account: Account) -> None:
    made, client = account
    first = client.market_order_buy("twice", BTC, quote_size="100")
    again = client.market_order_buy("twice", BTC, quote_size="100")
    assert first.success_response["order_id"] == again.success_response["order_id"]
    assert len(paper.get("orders", user=made["user"])) == 1


def test_cancels_of_many(client: RESTClient) -> None:
    made = [
        client.limit_order_gtc_buy(str(uuid4()), BTC, "0.01", str(50_000 + number)).success_response["order_id"]
        for number in range(3)
    ]
    results = client.cancel_orders([*made, str(uuid4())]).results or []
    assert [row.success for row in results] == [True, True, True, False]
    assert results[-1].failure_reason == "UNKNOWN_CANCEL_ORDER"
    with pytest.raises(requests.HTTPError, match="400"):
        client.cancel_orders(["x"] * 101)


def test_edits(paper: Paper, client: RESTClient) -> None:
    order_id = client.limit_order_gtc_buy("edited", BTC, "0.5", "59000").success_response["order_id"]
    preview = client.preview_edit_order(order_id, size="0.4", price="58000")
    assert (preview.errors, preview.order_total, preview.best_bid) == ([], "23339.20", "59994")
    assert client.edit_order(order_id, size="0.4", price="58000").success is True
    refused = client.edit_order(order_id, size="0.4", price="58000")
    assert refused.success is False
    assert [each.edit_failure_reason for each in refused.errors or []] == ["EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"]
    missing = client.preview_edit_order(str(uuid4()), size="1", price="1")
    assert [each.edit_failure_reason for each in missing.errors or []] == ["ORDER_NOT_FOUND"]
    order = client.get_order(order_id).order
    assert order is not None
    assert [(each.price, each.size) for each in order.edit_history or []] == [("58000", "0.4")]
    paper.price("58000")
    assert client.get_order(order_id).order.average_filled_price == "58000"


def test_lists_of_orders_and_fills(client: RESTClient) -> None:
    made = [client.market_order_buy(str(uuid4()), BTC, base_size="0.01").success_response["order_id"] for _ in range(3)]
    alias = client.market_order_buy(str(uuid4()), "BTC-USDC", base_size="0.01").success_response["order_id"]
    rests = client.limit_order_gtc_sell(str(uuid4()), BTC, "0.01", "61000").success_response["order_id"]
    everything = [rests, alias, *made[::-1]]

    def all_of(ask: Callable[..., Any], rows: str, **query: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = ask(limit=2, cursor=cursor, **query)
            found += [row.order_id for row in getattr(page, rows)]
            cursor = page.cursor
            if not cursor:
                return found

    assert all_of(client.list_orders, "orders") == everything
    assert all_of(client.list_orders, "orders", product_ids=[BTC]) == [rests, *made[::-1]]
    assert all_of(client.list_orders, "orders", order_status=["OPEN"]) == [rests]
    assert all_of(client.list_orders, "orders", order_side="BUY", product_type="SPOT") == everything[1:]
    assert all_of(client.list_orders, "orders", order_ids=[alias, made[0]]) == [alias, made[0]]
    page = client.list_orders(limit=2)
    assert (page.has_next, len(page.orders or [])) == (True, 2)
    assert all_of(client.get_fills, "fills") == everything[1:]
    assert all_of(client.get_fills, "fills", order_ids=made[:2]) == made[1::-1]
    (fill,) = client.get_fills(product_ids=["BTC-USDC"]).fills or []
    assert (fill.order_id, fill.price, fill.size, fill.liquidity_indicator) == (alias, "60006", "0.01", "TAKER")
    assert Decimal(fill.commission or "x") == Decimal("600.06") * Decimal("0.012")
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_order(str(uuid4()))


def test_a_good_till_date_order_expires(paper: Paper, client: RESTClient) -> None:
    soon = (datetime.now(UTC) + timedelta(milliseconds=700)).isoformat().replace("+00:00", "Z")
    order_id = client.limit_order_gtd_buy("short", BTC, "0.01", "50000", soon).success_response["order_id"]
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while (status := client.get_order(order_id).order.status) == "OPEN":
        assert datetime.now(UTC) < deadline
    assert status == "EXPIRED"
    assert paper.get("orders", client_order_id="short")[0]["status"] == "expired"


def test_faults_on_orders(paper: Paper, account: Account) -> None:
    made, client = account

    def buy(fault: str, **options: Any) -> Any:
        paper.arm(fault, user=made["user"], venue="coinbase", count=1, **options)
        answer = client.market_order_buy(str(uuid4()), BTC, base_size="0.1")
        assert answer.success is True
        return client.get_order(answer.success_response["order_id"]).order

    failed = buy("accepted_then_failed")
    assert (failed.status, failed.reject_reason, failed.filled_size) == ("FAILED", "HOLD_FAILURE", "0")
    pending = buy("pending_for", seconds=30)
    assert (pending.status, pending.filled_size) == ("PENDING", "0")
    late = buy("fills_listed_late", seconds=30)
    assert (late.status, late.filled_size) == ("FILLED", "0.1")
    assert client.get_fills(order_ids=[late.order_id]).fills == []
    part = buy("partial_fill_then_cancel", fraction=0.5)
    assert (part.status, part.filled_size) == ("CANCELLED", "0.05")
    pieces = buy("partial_fill", seconds=30, fraction=0.5)
    assert (pieces.status, pieces.completion_percentage) == ("OPEN", "50.00")
    paper.arm("order_invisible_for_3s", user=made["user"], count=1, seconds=30)
    answer = client.market_order_buy(str(uuid4()), BTC, base_size="0.1")
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_order(answer.success_response["order_id"])
    assert len(paper.get("orders", user=made["user"])) == 6


def test_a_lost_answer_is_found_by_sending_again(paper: Paper, account: Account) -> None:
    made, client = account
    paper.arm("processed_then_reply_dropped", user=made["user"], count=1)
    with pytest.raises(requests.ConnectionError):
        client.market_order_buy("lost", BTC, quote_size="50")
    found = client.market_order_buy("lost", BTC, quote_size="50")
    (row,) = paper.get("orders", user=made["user"])
    assert found.success_response["order_id"] == row["order_id"]
    verdicts = [each["verdict"] for each in paper.get("requests", api_key=made["api_key"])]
    assert verdicts == ["ok", "ok"]
