"""Cancels, edits, and the previews of orders and edits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.paper_exchange.coinbase.texts import rfc3339
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import (
    ASK,
    BID,
    GTC,
    MARKET,
    TAKER,
    amounts,
    body,
    cancel,
    create,
    fills,
    order,
)

TAKEN = (True, "UNKNOWN_CANCEL_FAILURE_REASON")


@pytest.fixture
def resting(alice: Client) -> str:
    return create(alice, GTC, base_size="0.5", limit_price="59000")


def edit(client: Client, order_id: str, **fields: Any) -> Any:
    return client.post("orders/edit", {"order_id": order_id, **fields})


def failure(answer: Any) -> Any:
    assert answer["success"] is False
    (error,) = answer["errors"]
    return error["edit_failure_reason"]


def test_each_id_of_a_batch_is_answered_for_itself(alice: Client, resting: str) -> None:
    filled = create(alice, MARKET, base_size="0.1")
    assert cancel(alice, resting, filled, "nowhere", resting) == [
        TAKEN, (False, "ORDER_IS_FULLY_FILLED"), (False, "UNKNOWN_CANCEL_ORDER"), (False, "DUPLICATE_CANCEL_REQUEST"),
    ]  # fmt: skip
    row = order(alice, resting)
    assert (row["status"], row["cancel_message"], row["outstanding_hold_amount"]) == (
        "CANCELLED",
        "User requested cancel",
        "0",
    )
    assert alice.wallet("USD")[1] == 0


def test_a_batch_has_at_most_100_ids(alice: Client) -> None:
    assert cancel(alice, *["nowhere"] * 100) == [(False, "UNKNOWN_CANCEL_ORDER")] * 100
    for ids in (["nowhere"] * 101, [], "nowhere", [7], None):
        assert alice.call("POST", "orders/batch_cancel", {"order_ids": ids}).status == 400


def test_orders_of_others_cannot_be_touched(bench: Bench, resting: str) -> None:
    mallory = bench.client("mallory")
    assert cancel(mallory, resting) == [(False, "UNKNOWN_CANCEL_ORDER")]
    assert failure(edit(mallory, resting, size="1", price="1")) == "ORDER_NOT_FOUND"
    assert mallory.call("GET", f"orders/historical/{resting}").status == 404


def test_a_cancelled_part_keeps_its_fills(bench: Bench) -> None:
    whale = bench.client("whale", balances={"USD": "10000000"})
    order_id = create(whale, GTC, base_size="50", limit_price="59000")
    bench.price("59000")
    assert cancel(whale, order_id) == [TAKEN]
    row = order(whale, order_id)
    assert (row["status"], row["settled"]) == ("CANCELLED", True)
    assert 0 < Decimal(row["filled_size"]) < 50
    assert whale.wallet("USD")[1] == 0


def test_an_edit_changes_size_price_and_hold_under_the_same_id(bench: Bench, alice: Client, resting: str) -> None:
    bench.clock.advance(5)
    assert edit(alice, resting, size="0.25", price="58000.5") == {
        "success": True,
        "success_response": {"order_id": resting},
    }
    row = order(alice, resting)
    assert (row["status"], row["order_id"]) == ("OPEN", resting)
    assert row["order_configuration"] == {GTC: {"base_size": "0.25", "limit_price": "58000.5"}}
    assert row["edit_history"] == [
        {"price": "58000.5", "size": "0.25", "replace_accept_timestamp": rfc3339(bench.clock.now())}
    ]
    assert alice.wallet("USD")[1] == Decimal("58000.5") / 4 * (1 + TAKER)
    bench.price("58900")
    assert order(alice, resting)["status"] == "OPEN"
    bench.price("58000.5")
    assert order(alice, resting)["filled_size"] == "0.25"


def test_an_edit_to_a_price_that_crosses_trades_at_once(alice: Client, resting: str) -> None:
    assert edit(alice, resting, size="0.5", price="60010")["success"]
    row = order(alice, resting)
    assert (row["status"], Decimal(row["average_filled_price"])) == ("FILLED", ASK)


def test_the_size_of_an_edit_has_what_is_filled_in_it(bench: Bench) -> None:
    whale = bench.client("whale", balances={"USD": "10000000"})
    order_id = create(whale, GTC, base_size="50", limit_price="59000")
    bench.price("59000")
    filled = Decimal(order(whale, order_id)["filled_size"])
    assert failure(edit(whale, order_id, size="1", price="58000")) == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    assert edit(whale, order_id, size=str(filled + 1), price="58000")["success"]
    assert whale.wallet("USD")[1] == 58000 * (1 + TAKER), "1 of it is left"


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST", {"size": "0.5", "price": "59000"}),
        ("EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST", {"size": "0.50", "price": "59000.00"}),
        ("INVALID_EDITED_SIZE", {"price": "58000"}),
        ("INVALID_EDITED_PRICE", {"size": "0.4"}),
        ("INVALID_EDITED_SIZE", {"size": "0.123456789", "price": "58000"}),
        ("INVALID_EDITED_SIZE", {"size": "0.00001", "price": "58000"}),
        ("INVALID_EDITED_PRICE", {"size": "0.4", "price": "58000.001"}),
        ("COMMANDER_REJECTED_EDIT_ORDER", {"size": "50", "price": "58000"}),
    ],
)
def test_edits_that_are_refused(alice: Client, resting: str, reason: str, fields: dict[str, Any]) -> None:
    assert failure(edit(alice, resting, **fields)) == reason
    errors = alice.post("orders/edit_preview", {"order_id": resting, **fields})["errors"]
    assert [each["edit_failure_reason"] for each in errors] == [reason]
    assert order(alice, resting)["edit_history"] == []
    assert alice.wallet("USD")[1] == 59000 / Decimal(2) * (1 + TAKER)


def test_why_an_edit_was_rejected_is_in_the_preview_s_reason(alice: Client, resting: str) -> None:
    (error,) = edit(alice, resting, size="50", price="58000")["errors"]
    assert error["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"
    careful = create(alice, GTC, base_size="0.1", limit_price="59000", post_only=True)
    (error,) = edit(alice, careful, size="0.1", price="60006")["errors"]
    assert error["preview_failure_reason"] == "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"


def test_only_open_gtc_limit_orders_can_be_edited(bench: Bench, alice: Client, resting: str) -> None:
    gtd = create(alice, "limit_limit_gtd", base_size="0.1", limit_price="50000", end_time="2099-01-01T00:00:00Z")
    change = {"size": "0.2", "price": "50000"}
    assert failure(edit(alice, gtd, **change)) == "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    assert failure(edit(alice, create(alice, MARKET, base_size="0.1"), **change)) == "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    assert failure(edit(alice, "nowhere", **change)) == "ORDER_NOT_FOUND"
    bench.arm("pair_halted", symbol="BTC/USD")
    assert failure(edit(alice, resting, **change)) == "COMMANDER_REJECTED_EDIT_ORDER"
    bench.exchange.faults.clear()
    cancel(alice, resting)
    assert failure(edit(alice, resting, **change)) == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"
    assert bench.journal()[-1]["verdict"] == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"


def test_a_preview_of_an_edit_changes_nothing(alice: Client, resting: str) -> None:
    shown = alice.post("orders/edit_preview", {"order_id": resting, "size": "0.25", "price": "58000"})
    assert shown["errors"] == []
    assert amounts(shown, "order_total", "commission_total", "quote_size", "base_size", "best_bid", "best_ask") == [
        14500 + 87, 87, 14500, Decimal("0.25"), BID, ASK,
    ]  # fmt: skip
    assert order(alice, resting)["order_configuration"][GTC]["base_size"] == "0.5"


def preview(client: Client, kind: str, side: str = "BUY", product: str = "BTC-USD", **fields: Any) -> Any:
    sent = body(kind, side, product, **fields)
    del sent["client_order_id"]
    return client.post("orders/preview", sent)


@pytest.mark.parametrize(("side", "price", "sign"), [("BUY", ASK, 1), ("SELL", BID, -1)])
def test_a_preview_has_the_sums_of_the_order_that_follows(
    bench: Bench, alice: Client, side: str, price: Decimal, sign: int
) -> None:
    shown = preview(alice, MARKET, side, base_size="0.5")
    fee = price / 2 * TAKER
    assert (shown["errs"], shown["warning"], shown["is_max"]) == ([], [], False)
    assert amounts(shown, "order_total", "commission_total") == [
        round(price / 2 + sign * fee, 2),
        round(fee, 2),
    ]
    assert amounts(shown, "base_size", "best_bid", "best_ask", "est_average_filled_price") == [
        Decimal("0.5"), BID, ASK, price,
    ]  # fmt: skip
    assert shown["preview_id"]
    assert bench.exchange.journal.orders == []
    row = order(alice, create(alice, MARKET, side, base_size="0.5"))
    assert round(Decimal(row["total_value_after_fees"]), 2) == Decimal(shown["order_total"])


@pytest.mark.parametrize(
    ("reason", "kind", "fields"),
    [
        ("PREVIEW_INSUFFICIENT_FUND", MARKET, {"base_size": "2"}),
        ("PREVIEW_INSUFFICIENT_FUND", MARKET, {"quote_size": "100001"}),
        ("PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY", GTC, {"base_size": "0.1", "limit_price": "60006", "post_only": True}),
        ("PREVIEW_INVALID_SIZE_PRECISION", MARKET, {"base_size": "0.123456789"}),
        ("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", MARKET, {"quote_size": "0.5"}),
        ("PREVIEW_INVALID_ORDER_CONFIG", "market_market_fok", {"base_size": "0.1"}),
    ],
)
def test_a_preview_names_what_would_be_refused(
    bench: Bench, alice: Client, reason: str, kind: str, fields: dict[str, Any]
) -> None:
    shown = preview(alice, kind, **fields)
    assert (shown["errs"], shown["preview_id"]) == ([reason], "")
    assert alice.post("orders", body(kind, **fields))["error_response"]["preview_failure_reason"] == reason
    assert bench.exchange.journal.orders == []


def test_a_preview_without_a_wallet_says_so(alice: Client) -> None:
    assert preview(alice, MARKET, product="BTC-USDC", base_size="0.1")["errs"] == ["account is not available"]


def test_a_preview_with_a_wrong_form_is_a_400(alice: Client) -> None:
    assert alice.call("POST", "orders/preview", body(MARKET, base_size=0.1)).status == 400
    assert fills(alice) == []
