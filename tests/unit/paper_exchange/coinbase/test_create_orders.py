"""Every configuration of the client library: what it becomes, what it costs, what it holds, and what is shown of it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from services.paper_exchange.coinbase.texts import rfc3339
from tests.support.property_examples import scaled
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import (
    ASK,
    BID,
    GTC,
    MAKER,
    MARKET,
    TAKER,
    amounts,
    body,
    cancel,
    create,
    fills,
    order,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FIELDS = {
    "order_id", "product_id", "user_id", "order_configuration", "side", "client_order_id", "status", "time_in_force",
    "created_time", "completion_percentage", "filled_size", "average_filled_price", "fee", "number_of_fills", "filled_value",
    "pending_cancel", "size_in_quote", "total_fees", "size_inclusive_of_fees", "total_value_after_fees", "trigger_status",
    "order_type", "reject_reason", "settled", "product_type", "reject_message", "cancel_message", "order_placement_source",
    "outstanding_hold_amount", "is_liquidation", "last_fill_time", "edit_history", "leverage", "margin_type",
    "retail_portfolio_id", "originating_order_id", "attached_order_id", "last_update_time",
}  # fmt: skip


def test_the_answer_names_the_order_and_echoes_its_configuration(alice: Client) -> None:
    sent = body(MARKET, "SELL", base_size="0.25", client_id="mine")
    answer = alice.post("orders", sent)
    order_id = answer["success_response"].pop("order_id")
    assert UUID.fullmatch(order_id)
    assert answer == {
        "success": True,
        "success_response": {
            "product_id": "BTC-USD", "side": "SELL", "client_order_id": "mine", "attached_order_id": "",
        },
        "order_configuration": sent["order_configuration"],
    }  # fmt: skip


def test_a_market_order_by_base_has_every_field_of_a_recorded_one(bench: Bench, alice: Client) -> None:
    order_id = create(alice, MARKET, base_size="0.5", client_id="whole")
    row = order(alice, order_id)
    assert row.keys() == FIELDS
    assert (row["status"], row["order_type"], row["time_in_force"]) == ("FILLED", "MARKET", "IMMEDIATE_OR_CANCEL")
    assert (row["client_order_id"], row["product_id"], row["side"], row["fee"]) == ("whole", "BTC-USD", "BUY", "")
    assert (row["completion_percentage"], row["settled"], row["trigger_status"]) == (
        "100.00",
        True,
        "INVALID_ORDER_TYPE",
    )
    assert (row["size_in_quote"], row["size_inclusive_of_fees"], row["number_of_fills"]) == (False, False, "1")
    assert row["order_configuration"] == {MARKET: {"base_size": "0.5"}}
    assert row["created_time"] == row["last_fill_time"] == row["last_update_time"] == rfc3339(bench.clock.now())
    cost = ASK / 2
    assert amounts(row, "filled_size", "average_filled_price", "filled_value", "total_fees", "total_value_after_fees") == [
        Decimal("0.5"), ASK, cost, cost * TAKER, cost * (1 + TAKER),
    ]  # fmt: skip
    assert alice.wallet("USD") == (100000 - cost * (1 + TAKER), 0)
    assert alice.wallet("BTC") == (Decimal("2.5"), 0)


def test_a_sale_brings_its_value_without_the_fee(alice: Client) -> None:
    row = order(alice, create(alice, MARKET, "SELL", base_size="1"))
    assert amounts(row, "filled_value", "total_fees", "total_value_after_fees") == [BID, BID * TAKER, BID * (1 - TAKER)]
    assert alice.wallet("USD") == (100000 + BID * (1 - TAKER), 0)


def test_a_large_order_fills_in_pieces_of_the_book(bench: Bench) -> None:
    whale = bench.client("whale", balances={"USD": "1000000"})
    row = order(whale, create(whale, MARKET, base_size="5"))
    pieces = fills(whale)
    assert int(row["number_of_fills"]) == len(pieces) > 1
    assert sum(Decimal(piece["size"]) for piece in pieces) == 5
    assert sum(Decimal(piece["commission"]) for piece in pieces) == Decimal(row["total_fees"])
    assert sum(Decimal(piece["price"]) * Decimal(piece["size"]) for piece in pieces) == Decimal(row["filled_value"])
    assert len({piece["trade_id"] for piece in pieces}) == len({piece["entry_id"] for piece in pieces}) == len(pieces)


def test_a_fill_has_the_recorded_fields(bench: Bench, alice: Client) -> None:
    order_id = create(alice, MARKET, base_size="0.5")
    (row,) = fills(alice)
    assert UUID.fullmatch(row["trade_id"])
    assert re.fullmatch(r"[0-9a-f]{64}", row["entry_id"])
    assert (row["order_id"], row["product_id"], row["side"], row["trade_type"]) == (order_id, "BTC-USD", "BUY", "FILL")
    assert (row["liquidity_indicator"], row["size_in_quote"]) == ("TAKER", False)
    assert row["trade_time"] == row["sequence_timestamp"] == rfc3339(bench.clock.now())
    assert amounts(row, "price", "size", "commission") == [ASK, Decimal("0.5"), ASK / 2 * TAKER]


def test_a_purchase_by_quote_has_its_fee_inside(alice: Client) -> None:
    row = order(alice, create(alice, MARKET, quote_size="1000.00"))
    assert (row["status"], row["size_in_quote"], row["size_inclusive_of_fees"]) == ("FILLED", True, True)
    spent, fee, size = amounts(row, "filled_value", "total_fees", "filled_size")
    step = ASK * Decimal("0.00000001")
    assert 1000 - step * (1 + TAKER) < spent + fee <= 1000
    assert fee == (spent * TAKER).quantize(Decimal("1e-10"))
    assert size == spent / ASK
    (fill,) = fills(alice)
    assert (fill["size_in_quote"], Decimal(fill["size"])) == (True, spent), (
        "the row of such a fill has its size in quote"
    )
    assert alice.wallet("USD")[0] == 100000 - spent - fee


@settings(max_examples=scaled(60), deadline=None)
@given(st.decimals("1", "99000", places=2), st.sampled_from(["60000", "61234.5", "0.55", "1.2"]))
def test_a_purchase_by_quote_never_costs_more_than_it_names(quote: Decimal, price: str) -> None:
    bench = Bench(market={"pairs": ["BTC/USD"]})
    bench.price(price)
    client = bench.client("exact", balances={"USD": str(quote)})
    row = order(client, create(client, MARKET, quote_size=str(quote)))
    left = quote - sum(amounts(row, "filled_value", "total_fees"))
    assert left >= 0
    assert Decimal(row["filled_size"]) > 0
    assert client.wallet("USD")[0] == left


def test_a_sale_by_quote_sells_what_brings_that_much(alice: Client) -> None:
    row = order(alice, create(alice, MARKET, "SELL", quote_size="600"))
    assert (row["size_in_quote"], row["size_inclusive_of_fees"]) == (True, False)
    value, fee, after = amounts(row, "filled_value", "total_fees", "total_value_after_fees")
    assert 600 - BID * Decimal("0.00000001") < value <= 600
    assert after == value - fee
    assert alice.wallet("BTC")[0] == 2 - Decimal(row["filled_size"])


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_resting_order_holds_its_funds_and_fills_at_its_price_as_the_maker(
    bench: Bench, alice: Client, side: str
) -> None:
    limit = Decimal(59000 if side == "BUY" else 61000)
    order_id = create(alice, GTC, side, base_size="0.5", limit_price=str(limit))
    row = order(alice, order_id)
    assert (row["status"], row["time_in_force"], row["order_type"]) == ("OPEN", "GOOD_UNTIL_CANCELLED", "LIMIT")
    assert (row["last_fill_time"], row["settled"], row["filled_size"]) == (None, False, "0")
    hold = limit / 2 * (1 + TAKER) if side == "BUY" else Decimal("0.5")
    asset, other, total = ("USD", "BTC", 100000) if side == "BUY" else ("BTC", "USD", 2)
    assert Decimal(row["outstanding_hold_amount"]) == hold
    assert alice.wallet(asset) == (total - hold, hold)
    assert alice.wallet(other)[1] == 0
    bench.price(str(limit))
    row = order(alice, order_id)
    assert (row["status"], row["outstanding_hold_amount"]) == ("FILLED", "0")
    assert amounts(row, "average_filled_price", "total_fees") == [limit, limit / 2 * MAKER]
    assert fills(alice)[0]["liquidity_indicator"] == "MAKER"
    assert alice.wallet("USD")[1] == alice.wallet("BTC")[1] == 0


def test_a_limit_order_that_crosses_takes_at_once_and_a_post_only_one_rests_or_is_refused(alice: Client) -> None:
    taken = order(alice, create(alice, GTC, base_size="0.1", limit_price="60010"))
    assert (taken["status"], Decimal(taken["average_filled_price"])) == ("FILLED", ASK)
    rests = create(alice, GTC, base_size="0.1", limit_price="60005.99", post_only=True)
    assert order(alice, rests)["status"] == "OPEN"
    assert order(alice, rests)["order_configuration"][GTC]["post_only"] is True


def test_a_limit_ioc_takes_what_it_can_and_ends(bench: Bench) -> None:
    whale = bench.client("whale", balances={"USD": "10000000"})
    row = order(whale, create(whale, "sor_limit_ioc", base_size="50", limit_price="60012"))
    assert (row["status"], row["order_type"], row["time_in_force"]) == ("CANCELLED", "LIMIT", "IMMEDIATE_OR_CANCEL")
    assert 0 < Decimal(row["filled_size"]) < 50
    assert 0 < Decimal(row["completion_percentage"]) < 100
    assert row["settled"] is True
    assert whale.wallet("USD")[1] == 0
    whole = order(whale, create(whale, "sor_limit_ioc", base_size="0.1", limit_price="60012"))
    assert (whole["status"], whole["filled_size"]) == ("FILLED", "0.1")
    nothing = order(whale, create(whale, "sor_limit_ioc", base_size="0.1", limit_price="60000"))
    assert (nothing["status"], nothing["filled_size"], nothing["settled"]) == ("CANCELLED", "0", False)


def test_a_limit_ioc_by_quote_is_converted_at_its_limit(alice: Client) -> None:
    row = order(alice, create(alice, "sor_limit_ioc", quote_size="6100", limit_price="61000"))
    assert (row["status"], row["filled_size"], row["size_in_quote"]) == ("FILLED", "0.1", False)


def test_fill_or_kill_is_all_or_nothing(bench: Bench) -> None:
    whale = bench.client("whale", balances={"USD": "10000000"})
    killed = order(whale, create(whale, "limit_limit_fok", base_size="50", limit_price="60012"))
    assert (killed["status"], killed["filled_size"], killed["time_in_force"]) == ("CANCELLED", "0", "FILL_OR_KILL")
    filled = order(whale, create(whale, "limit_limit_fok", base_size="0.5", limit_price="60012"))
    assert (filled["status"], filled["filled_size"]) == ("FILLED", "0.5")


def test_good_until_date_expires_with_what_it_got(bench: Bench, alice: Client) -> None:
    end = rfc3339(bench.clock.now() + 60)
    order_id = create(alice, "limit_limit_gtd", base_size="0.1", limit_price="59000", end_time=end)
    assert order(alice, order_id)["time_in_force"] == "GOOD_UNTIL_DATE_TIME"
    bench.clock.advance(59.9)
    assert order(alice, order_id)["status"] == "OPEN"
    bench.clock.advance(0.2)
    row = order(alice, order_id)
    assert (row["status"], row["outstanding_hold_amount"], row["settled"]) == ("EXPIRED", "0", False)
    assert alice.wallet("USD") == (100000, 0)
    bench.price("58000")
    assert order(alice, order_id)["filled_size"] == "0", "an expired order does not fill"


@pytest.mark.parametrize("suffix", ["gtc", "gtd"])
@pytest.mark.parametrize(
    ("side", "direction", "stop", "limit"),
    [("BUY", "UP", "61000", "61100"), ("SELL", "DOWN", "59000", "58900"), ("BUY", "DOWN", "59000", "59100")],
)
def test_a_stop_limit_order_waits_for_its_stop(
    bench: Bench, alice: Client, suffix: str, side: str, direction: str, stop: str, limit: str
) -> None:
    fields: dict[str, Any] = {"end_time": rfc3339(bench.clock.now() + 3600)} if suffix == "gtd" else {}
    order_id = create(
        alice, f"stop_limit_stop_limit_{suffix}", side, base_size="0.1", limit_price=limit, stop_price=stop,
        stop_direction=f"STOP_DIRECTION_STOP_{direction}", **fields,
    )  # fmt: skip
    row = order(alice, order_id)
    assert (row["status"], row["order_type"], row["trigger_status"]) == ("OPEN", "STOP_LIMIT", "STOP_PENDING")
    if side == "BUY":
        assert Decimal(row["outstanding_hold_amount"]) == Decimal(limit) / 10 * (1 + TAKER)
    bench.price(str(Decimal(stop) + (-1 if direction == "UP" else 1)))
    assert order(alice, order_id)["trigger_status"] == "STOP_PENDING"
    bench.price(stop)
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"]) == ("FILLED", "STOP_TRIGGERED")
    assert fills(alice)[0]["liquidity_indicator"] == "TAKER"


def test_a_stop_whose_limit_is_not_there_rests_after_it_was_triggered(bench: Bench, alice: Client) -> None:
    order_id = create(
        alice, "stop_limit_stop_limit_gtc", "SELL", base_size="0.1", limit_price="59000", stop_price="59000",
        stop_direction="STOP_DIRECTION_STOP_DOWN",
    )  # fmt: skip
    bench.price("58000")
    row = order(alice, order_id)
    assert (row["status"], row["trigger_status"], row["filled_size"]) == ("OPEN", "STOP_TRIGGERED", "0")
    bench.price("59000")
    assert order(alice, order_id)["status"] == "FILLED"


def test_an_alias_trades_at_the_same_book_and_its_own_wallet_pays(bench: Bench) -> None:
    client = bench.client("both", balances={"USD": "1000", "USDC": "1000"})
    order_id = create(client, MARKET, product="BTC-USDC", base_size="0.01")
    row = order(client, order_id)
    paid = ASK / 100 * (1 + TAKER)
    assert (row["product_id"], Decimal(row["average_filled_price"])) == ("BTC-USDC", ASK)
    assert (client.wallet("USDC")[0], client.wallet("USD")[0]) == (1000 - paid, 1000)
    assert fills(client)[0]["product_id"] == "BTC-USDC"
    sold = order(client, create(client, MARKET, "SELL", "BTC-USD", base_size="0.01"))
    assert client.wallet("USD")[0] == 1000 + Decimal(sold["total_value_after_fees"])
    resting = create(client, GTC, product="BTC-USDC", base_size="0.001", limit_price="50000")
    assert client.wallet("USDC")[1] == 50 * (1 + TAKER)
    assert cancel(client, resting) == [(True, "UNKNOWN_CANCEL_FAILURE_REASON")]
    assert client.wallet("USDC")[1] == 0


def test_prices_are_the_path_s_in_coinbase_s_own_steps(bench: Bench) -> None:
    """Kraken's ADA has six decimals, Coinbase's four: the one path, each venue in its own steps."""
    bench.price("0.450849", "ADA/USD")
    client = bench.client("ada", balances={"USD": "1000"})
    row = order(client, create(client, MARKET, product="ADA-USD", base_size="10"))
    assert Decimal(row["average_filled_price"]) in {Decimal("0.4509"), Decimal("0.4510")}
    resting = create(client, GTC, product="ADA-USD", base_size="10", limit_price="0.4400")
    bench.price("0.440040", "ADA/USD")
    assert order(client, resting)["status"] == "FILLED", "0.440040 reads 0.4400 here"


def test_orders_of_both_venues_are_filled_by_the_one_path(bench: Bench, alice: Client) -> None:
    order_id = create(alice, GTC, base_size="0.1", limit_price="59000")
    bench.kraken.set_price("BTC/USD", Decimal(58900))
    assert order(alice, order_id)["status"] == "FILLED"


def test_the_control_plane_sees_every_order_with_its_client_id_and_plain_symbol(bench: Bench, alice: Client) -> None:
    order_id = create(alice, MARKET, base_size="0.1", client_id="judge-me")
    (record,) = bench.exchange.journal.orders
    assert (record.id, record.ticket.client_id, record.instrument.symbol) == (order_id, "judge-me", "BTC/USD")
    assert (record.account.user, record.account.venue, record.closed_at) == ("alice", "coinbase", bench.clock.now())


def test_the_volume_and_fees_of_orders_are_in_the_transaction_summary(alice: Client) -> None:
    rows = [order(alice, create(alice, MARKET, side, base_size="0.1")) for side in ("BUY", "SELL")]
    summary = alice.get("transaction_summary")
    assert summary["total_volume"] == float(sum(Decimal(row["filled_value"]) for row in rows))
    assert summary["total_fees"] == float(sum(Decimal(row["total_fees"]) for row in rows))
