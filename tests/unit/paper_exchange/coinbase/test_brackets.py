"""Brackets: a limit order with a stop on the other side, which moves its limit 5 % beyond the stop price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.paper_exchange.coinbase.texts import rfc3339
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import TAKER, cancel, create, fills, order, refusal

BRACKET = "trigger_bracket_gtc"
SELL = {"base_size": "0.1", "limit_price": "62000", "stop_trigger_price": "58000"}
BUY = {"base_size": "0.1", "limit_price": "58000", "stop_trigger_price": "62000"}


def test_it_waits_with_a_hold_and_shows_both_prices(bench: Bench, alice: Client) -> None:
    row = order(alice, create(alice, BRACKET, "SELL", **SELL))
    assert (row["status"], row["order_type"], row["time_in_force"]) == ("OPEN", "BRACKET", "GOOD_UNTIL_CANCELLED")
    assert (row["trigger_status"], row["outstanding_hold_amount"]) == ("STOP_PENDING", "0.1")
    assert row["order_configuration"] == {BRACKET: SELL}
    assert alice.wallet("BTC") == (Decimal("1.9"), Decimal("0.1"))
    (record,) = bench.exchange.journal.orders
    assert (record.limit, record.trigger) == (Decimal(62000), Decimal(58000))


@pytest.mark.parametrize(("side", "fields", "limit"), [("SELL", SELL, "62000"), ("BUY", BUY, "58000")])
def test_the_limit_fills_as_the_maker_and_ends_the_stop(
    bench: Bench, alice: Client, side: str, fields: dict[str, str], limit: str
) -> None:
    order_id = create(alice, BRACKET, side, **fields)
    bench.price(limit)
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"]) == ("FILLED", "STOP_PENDING")
    assert Decimal(row["average_filled_price"]) == Decimal(limit)
    assert fills(alice)[0]["liquidity_indicator"] == "MAKER"
    bench.price(fields["stop_trigger_price"])
    assert len(fills(alice)) == 1


@pytest.mark.parametrize(
    ("side", "fields", "gap"),
    [("SELL", SELL, "58000"), ("SELL", SELL, "55500"), ("BUY", BUY, "62000"), ("BUY", BUY, "64900")],
)
def test_the_stop_takes_from_the_book_within_5_percent(
    bench: Bench, alice: Client, side: str, fields: dict[str, str], gap: str
) -> None:
    order_id = create(alice, BRACKET, side, **fields)
    bench.price(str(Decimal(fields["stop_trigger_price"]) + (1 if side == "SELL" else -1)))
    assert order(alice, order_id)["trigger_status"] == "STOP_PENDING"
    bench.price(gap)
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"]) == ("FILLED", "STOP_TRIGGERED")
    assert abs(Decimal(row["average_filled_price"]) - Decimal(gap)) < 10
    assert fills(alice)[0]["liquidity_indicator"] == "TAKER"


@pytest.mark.parametrize(("side", "fields", "beyond", "rests_at"), [
    ("SELL", SELL, "55000", "55100"), ("BUY", BUY, "65200", "65100"),
])  # fmt: skip
def test_beyond_5_percent_the_rest_waits_at_the_moved_limit(
    bench: Bench, alice: Client, side: str, fields: dict[str, str], beyond: str, rests_at: str
) -> None:
    order_id = create(alice, BRACKET, side, **fields)
    bench.price(beyond)
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"], row["filled_size"]) == ("OPEN", "STOP_TRIGGERED", "0")
    bench.price(rests_at)
    row = order(alice, order_id)
    assert (row["status"], Decimal(row["average_filled_price"])) == ("FILLED", Decimal(rests_at))


def test_a_purchase_holds_what_its_stop_could_cost(bench: Bench) -> None:
    client = bench.client("buyer", balances={"USD": "6600"})
    dearest = Decimal(62000) * 105 / 100 / 10 * (1 + TAKER)
    assert 6500 < dearest < 6600
    order_id = create(client, BRACKET, **BUY)
    assert client.wallet("USD") == (6600 - dearest, dearest)
    assert cancel(client, order_id) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    assert client.wallet("USD") == (6600, 0)
    poor = bench.client("poor", balances={"USD": "6500"})
    assert refusal(poor, BRACKET, **BUY) == "INSUFFICIENT_FUND"


def test_a_part_at_the_limit_ends_the_stop(bench: Bench) -> None:
    whale = bench.client("whale", balances={"BTC": "50", "USD": "0"})
    order_id = create(whale, BRACKET, "SELL", **{**SELL, "base_size": "50"})
    bench.price("62000")
    row = order(whale, order_id)
    assert (row["status"], 0 < Decimal(row["filled_size"]) < 50) == ("OPEN", True)
    bench.price("57000")
    row = order(whale, order_id)
    assert (row["status"], row["trigger_status"]) == ("OPEN", "STOP_PENDING")
    assert {fill["price"] for fill in fills(whale)} == {"62000"}


def test_when_a_step_reaches_both_sides_the_stop_counts(bench: Bench, alice: Client) -> None:
    order_id = create(alice, BRACKET, "SELL", **SELL)
    bench.exchange.market.feed("BTC/USD").set_price(Decimal(62500))  # nobody has looked since
    bench.price("57900")
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"]) == ("FILLED", "STOP_TRIGGERED")
    assert Decimal(row["filled_size"]) == Decimal("0.1")
    assert alice.wallet("BTC") == (Decimal("1.9"), 0)


def test_a_stop_that_rests_beyond_its_limit_does_not_fill_in_the_step_that_triggered_it(
    bench: Bench, alice: Client
) -> None:
    order_id = create(alice, BRACKET, "SELL", **SELL)
    bench.exchange.market.feed("BTC/USD").set_price(Decimal(62500))
    bench.price("54000")
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"], row["filled_size"]) == ("OPEN", "STOP_TRIGGERED", "0")
    assert alice.wallet("BTC") == (Decimal("1.9"), Decimal("0.1"))


def test_a_cancelled_or_expired_bracket_is_gone_on_both_sides(bench: Bench, alice: Client) -> None:
    cancelled = create(alice, BRACKET, "SELL", **SELL)
    expired = create(alice, "trigger_bracket_gtd", "SELL", **SELL, end_time=rfc3339(bench.clock.now() + 10))
    assert order(alice, expired)["time_in_force"] == "GOOD_UNTIL_DATE_TIME"
    cancel(alice, cancelled)
    bench.clock.advance(11)
    for price in ("63000", "57000"):
        bench.price(price)
    assert [order(alice, each)["status"] for each in (cancelled, expired)] == ["CANCELLED", "EXPIRED"]
    assert fills(alice) == []
    assert alice.wallet("BTC") == (2, 0)


@pytest.mark.parametrize(
    ("reason", "side", "change"),
    [
        ("INVALID_BRACKET_PRICES", "SELL", {"limit_price": "58000"}),
        ("INVALID_BRACKET_PRICES", "BUY", {"limit_price": "62000"}),
        ("INVALID_BRACKET_LIMIT_PRICE", "SELL", {"limit_price": "59000"}),
        ("INVALID_BRACKET_LIMIT_PRICE", "BUY", {"limit_price": "61000"}),
        ("INVALID_BRACKET_STOP_TRIGGER_PRICE", "SELL", {"stop_trigger_price": "61000"}),
        ("INVALID_BRACKET_STOP_TRIGGER_PRICE", "BUY", {"stop_trigger_price": "59000"}),
        ("INVALID_STOP_TRIGGER_PRICE_PRECISION", "SELL", {"stop_trigger_price": "58000.001"}),
        ("INVALID_BRACKET_LIMIT_PRICE_PRECISION", "SELL", {"limit_price": "62000.001"}),
        ("INSUFFICIENT_FUND", "SELL", {"base_size": "2.1"}),
    ],
)
def test_prices_that_make_no_bracket(alice: Client, reason: str, side: str, change: dict[str, str]) -> None:
    assert refusal(alice, BRACKET, side, **(SELL if side == "SELL" else BUY) | change) == reason
