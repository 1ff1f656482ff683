"""The faults that act on orders: what is shown when, what is true, and what the wallets say."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from services.paper_exchange.coinbase.portfolios import Portfolios
from services.paper_exchange.core.fault_table import FAULTS
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import (
    ASK,
    GTC,
    MARKET,
    TAKER,
    body,
    cancel,
    create,
    fills,
    listed,
    order,
    refusal,
)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (MARKET, {"base_size": "0.1"}),
        (MARKET, {"quote_size": "100"}),
        (GTC, {"base_size": "0.1", "limit_price": "59000"}),
    ],
)
def test_an_accepted_order_can_fail(bench: Bench, alice: Client, kind: str, fields: dict[str, Any]) -> None:
    bench.arm("accepted_then_failed", count=1)
    order_id = create(alice, kind, client_id="once", **fields)
    row = order(alice, order_id)
    assert (row["status"], row["reject_reason"]) == ("FAILED", "HOLD_FAILURE")
    assert row["reject_message"]
    assert (row["filled_size"], row["total_fees"], row["settled"]) == ("0", "0", False)
    assert alice.wallet("USD") == (100000, 0)
    assert alice.wallet("BTC") == (2, 0)
    assert fills(alice) == listed(alice, order_status="OPEN") == []
    assert listed(alice, order_status="FAILED") == [order_id]
    assert create(alice, kind, client_id="once", **fields) == order_id, "a failed order has used up its client id"
    assert cancel(alice, order_id)[0][0] is False
    (record,) = bench.exchange.journal.orders
    assert (record.filled, record.reason, record.is_open) == (Decimal(0), "HOLD_FAILURE", False)


def test_a_market_order_can_read_pending_for_a_while(bench: Bench, alice: Client) -> None:
    bench.arm("pending_for", count=1, seconds=2)
    order_id = create(alice, MARKET, base_size="0.1")
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["number_of_fills"], row["last_fill_time"]) == (
        "PENDING",
        "0",
        "0",
        None,
    )
    assert (row["completion_percentage"], row["settled"]) == ("0.00", False)
    assert fills(alice) == []
    bench.clock.advance(2)
    assert (order(alice, order_id)["status"], len(fills(alice))) == ("FILLED", 1)


def test_a_pending_order_may_turn_out_to_have_failed(bench: Bench, alice: Client) -> None:
    bench.arm("accepted_then_failed", count=1)
    bench.arm("pending_for", count=1, seconds=2)
    order_id = create(alice, MARKET, base_size="0.1")
    assert (order(alice, order_id)["status"], order(alice, order_id)["reject_reason"]) == (
        "PENDING",
        "REJECT_REASON_UNSPECIFIED",
    )
    bench.clock.advance(2)
    assert order(alice, order_id)["status"] == "FAILED"


def test_every_market_order_is_pending_at_first_when_the_market_moves() -> None:
    assert Portfolios().pending_seconds() == 0, "the switch for tests"
    same = [Portfolios(0.3, random.Random(5)).pending_seconds() for _ in range(2)]
    assert same[0] == same[1]
    assert 0 < same[0] < 0.3
    bench = Bench(market={"speed": 1})
    alice = bench.client("alice")
    order_id = create(alice, MARKET, base_size="0.1")
    seen = {order(alice, order_id)["status"]}
    assert seen == {"PENDING"}
    bench.clock.advance(0.31)
    assert order(alice, order_id)["status"] == "FILLED"
    assert order(alice, create(alice, GTC, base_size="0.1", limit_price="1000"))["status"] == "OPEN", (
        "only market orders"
    )


def test_fills_and_sums_can_come_later_than_the_word_filled(bench: Bench, alice: Client) -> None:
    bench.arm("fills_late", count=1, seconds=3)
    order_id = create(alice, MARKET, base_size="0.1")
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["filled_value"], row["total_fees"]) == ("FILLED", "0", "0", "0")
    assert fills(alice) == []
    bench.clock.advance(3)
    assert (order(alice, order_id)["filled_size"], len(fills(alice))) == ("0.1", 1)


def test_the_list_of_fills_can_lag_behind_an_order_that_knows_its_sums(bench: Bench, alice: Client) -> None:
    bench.arm("fills_listed_late", count=1, seconds=3)
    order_id = create(alice, MARKET, base_size="0.1")
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["number_of_fills"]) == ("FILLED", "0.1", "1")
    assert fills(alice) == fills(alice, order_ids=order_id) == []
    bench.clock.advance(3)
    assert [fill["order_id"] for fill in fills(alice)] == [order_id]


def test_fills_can_name_the_product_that_has_the_book(bench: Bench) -> None:
    client = bench.client("alias", balances={"USD": "1000", "USDC": "1000"})
    order_id = create(client, MARKET, product="BTC-USDC", base_size="0.01")
    bench.arm("alias_in_fills", count=1)
    assert [row["product_id"] for row in fills(client, order_ids=order_id)] == ["BTC-USD"]
    assert [row["product_id"] for row in fills(client, order_ids=order_id)] == ["BTC-USDC"]
    assert order(client, order_id)["product_id"] == "BTC-USDC"


def test_an_invisible_order_is_in_no_answer_until_its_time(bench: Bench, alice: Client) -> None:
    bench.arm("order_invisible_for_3s", count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    assert listed(alice) == listed(alice, order_ids=order_id) == fills(alice) == []
    assert alice.call("GET", f"orders/historical/{order_id}").status == 404
    assert alice.wallet("BTC")[0] == Decimal("2.1"), "it has traded all the same"
    bench.clock.advance(3.1)
    assert listed(alice) == [order_id]
    assert len(fills(alice)) == 1


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(MARKET, {"base_size": "0.4"}), (GTC, {"base_size": "0.4", "limit_price": "60006"}),
     ("limit_limit_gtd", {"base_size": "0.4", "limit_price": "60010", "end_time": "2099-01-01T00:00:00Z"})],
)  # fmt: skip
def test_an_order_can_fill_in_pieces(bench: Bench, alice: Client, kind: str, fields: dict[str, str]) -> None:
    bench.arm("partial_fill", count=1, seconds=2, fraction=0.25)
    order_id = create(alice, kind, **fields)
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["completion_percentage"]) == ("OPEN", "0.1", "25.00")
    assert listed(alice, order_status="OPEN") == [order_id]
    bench.clock.advance(2)
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["number_of_fills"]) == ("FILLED", "0.4", "2")
    assert [fill["size"] for fill in fills(alice)] == ["0.3", "0.1"]
    assert alice.wallet("USD")[1] == 0


@pytest.mark.parametrize("later", ["60000", "66000", "54000"])
def test_a_purchase_by_quote_in_pieces_still_costs_no_more_than_it_names(bench: Bench, later: str) -> None:
    client = bench.client("quote", balances={"USD": "1000"})
    bench.arm("partial_fill", count=1, seconds=2, fraction=0.5)
    order_id = create(client, MARKET, quote_size="1000")
    assert order(client, order_id)["status"] == "OPEN"
    bench.price(later)
    bench.clock.advance(2)
    row = order(client, order_id)
    spent = Decimal(row["total_value_after_fees"])
    assert (row["status"], row["number_of_fills"]) == ("FILLED", "2")
    assert 999 < spent <= 1000
    assert client.wallet("USD")[0] == 1000 - spent


def test_a_limit_ioc_ends_cancelled_with_its_part(bench: Bench, alice: Client) -> None:
    bench.arm("partial_fill", count=1, fraction=0.25)
    row = order(alice, create(alice, "sor_limit_ioc", base_size="0.4", limit_price="60010"))
    assert (row["status"], row["filled_size"], row["settled"]) == ("CANCELLED", "0.1", True)


def test_fill_or_kill_never_fills_in_part(bench: Bench, alice: Client) -> None:
    bench.arm("partial_fill")
    bench.arm("partial_fill_then_cancel")
    row = order(alice, create(alice, "limit_limit_fok", base_size="0.4", limit_price="60010"))
    assert (row["status"], row["filled_size"]) == ("FILLED", "0.4")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(MARKET, {"base_size": "0.4"}), (MARKET, {"quote_size": "1000"}), (GTC, {"base_size": "0.4", "limit_price": "59000"}),
     ("sor_limit_ioc", {"base_size": "0.4", "limit_price": "60010"})],
)  # fmt: skip
def test_an_order_can_be_cancelled_by_the_venue_after_a_part(
    bench: Bench, alice: Client, kind: str, fields: dict[str, str]
) -> None:
    bench.arm("partial_fill_then_cancel", count=1, fraction=0.5)
    row = order(alice, create(alice, kind, **fields))
    assert (row["status"], row["number_of_fills"], row["cancel_message"]) == ("CANCELLED", "1", "")
    assert 45 < Decimal(row["completion_percentage"]) <= 50
    assert alice.wallet("USD")[1] == 0


def test_a_cancel_that_is_taken_may_come_too_late(bench: Bench, alice: Client) -> None:
    order_id = create(alice, GTC, base_size="0.5", limit_price="59000")
    bench.arm("fill_during_cancel", count=1)
    assert cancel(alice, order_id) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    row = order(alice, order_id)
    assert (row["status"], row["filled_size"], row["average_filled_price"]) == ("FILLED", "0.5", "59000")
    assert cancel(alice, order_id) == [(False, "ORDER_IS_FULLY_FILLED")]


def test_a_balance_can_lag_behind_its_fill(bench: Bench) -> None:
    client = bench.client("fresh", balances={"USD": "10000"})
    bench.arm("balance_lags_fill", seconds=3)
    create(client, MARKET, base_size="0.1")
    assert client.wallet("USD")[0] == 10000 - ASK / 10 * (1 + TAKER)
    assert client.wallet("BTC") == (0, 0)
    assert refusal(client, MARKET, "SELL", base_size="0.1") == "INSUFFICIENT_FUND"
    bench.clock.advance(3.1)
    assert client.wallet("BTC") == (Decimal("0.1"), 0)
    create(client, MARKET, "SELL", base_size="0.1")


def test_a_stale_list_shows_no_order_of_the_last_seconds(bench: Bench, alice: Client) -> None:
    old = create(alice, GTC, base_size="0.1", limit_price="50000")
    bench.clock.advance(10)
    new = create(alice, GTC, base_size="0.1", limit_price="50000")
    bench.arm("stale_open_orders", seconds=5, count=1)
    assert listed(alice) == [old]
    assert listed(alice) == [new, old]


def test_an_unknown_status_is_none_of_the_venue_s_own(bench: Bench, alice: Client) -> None:
    order_id = create(alice, MARKET, base_size="0.1")
    bench.arm("order_status_unknown", method="GetOrder", count=1)
    assert order(alice, order_id)["status"] == "UNKNOWN_ORDER_STATUS"
    assert order(alice, order_id)["status"] == "FILLED"
    bench.arm("order_status_unknown", method="ListOrders", count=1)
    assert alice.get("orders/historical/batch")["orders"][0]["status"] == "UNKNOWN_ORDER_STATUS"


def test_the_answer_can_have_the_order_s_id_where_it_was_once(bench: Bench, alice: Client) -> None:
    bench.arm("response_moves_order_id", count=1)
    answer = alice.post("orders", body(MARKET, base_size="0.1"))
    assert (answer["success"], "order_id" in answer["success_response"]) == (True, False)
    assert listed(alice) == [answer["order_id"]]


@pytest.mark.parametrize("fault", ["processed_then_reply_dropped", "502_after_accept", "duplicate_delivery"])
def test_an_order_whose_answer_is_lost_exists_once(bench: Bench, alice: Client, fault: str) -> None:
    sent = body(MARKET, base_size="0.1")
    bench.arm(fault, count=1)
    alice.raw("POST", "orders", sent)
    assert len(bench.exchange.journal.orders) == 1
    (order_id,) = listed(alice)
    assert alice.post("orders", sent)["success_response"]["order_id"] == order_id
    assert len(bench.exchange.journal.orders) == 1


@pytest.mark.parametrize(
    "fault",
    [name for name, spec in FAULTS.items() if spec.venue == "coinbase" and "CreateOrder" in spec.methods],
)  # fmt: skip
def test_a_fault_strikes_its_user_and_count_alone_and_never_at_kraken(bench: Bench, fault: str) -> None:
    bench.arm(fault, user="struck", count=1)
    spared, struck = bench.client("spared"), bench.client("struck")
    (switch,) = list(bench.exchange.faults)
    for client, fired in ((spared, 0), (struck, 1), (struck, 1)):
        for _ in range(2):
            client.post("orders", body(MARKET, base_size="0.01", client_id="same"))
        assert switch.fired == fired
    assert switch.left == 0


@pytest.mark.parametrize(
    "fault",
    [*(name for name, spec in FAULTS.items() if spec.venue == "coinbase" and "CreateOrder" in spec.methods),
     "order_invisible_for_3s", "partial_fill", "partial_fill_then_cancel"],
)  # fmt: skip
def test_a_fault_on_a_symbol_strikes_orders_of_that_symbol_alone(bench: Bench, fault: str) -> None:
    client = bench.client("two", balances={"USD": "1000", "USDC": "1000"})
    bench.arm(fault, symbol="BTC/USDC", count=1)
    (switch,) = list(bench.exchange.faults)
    for product, fired in (("BTC-USD", 0), ("ETH-USD", 0), ("BTC-USDC", 1)):
        for _ in range(2):
            client.post("orders", body(MARKET, product=product, base_size="0.01", client_id=product))
        assert switch.fired == fired


def test_too_many_open_orders_are_found_out_after_the_order_was_taken(bench: Bench) -> None:
    client = bench.client("many", tier="pro", balances={"USD": "100000"})
    bench.exchange.keys[client.name].tier = "unlimited"  # only the requests of this key
    ids = [create(client, GTC, base_size="0.001", limit_price="2000") for _ in range(501)]
    row = order(client, ids[-1])
    assert (row["status"], row["reject_reason"]) == ("FAILED", "TOO_MANY_OPEN_ORDERS")
    assert order(client, ids[-2])["status"] == "OPEN"
    create(client, GTC, product="ETH-USD", base_size="0.1", limit_price="20")
    assert order(client, create(client, MARKET, base_size="0.001"))["status"] == "FAILED"
