"""What faults do to orders and balances, to the rules of a pair and to the mode of the venue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.paper_exchange.faults import ORDER, arm
from tests.unit.paper_exchange.venue import Client, Venue


def test_an_invisible_order_is_in_no_answer_until_its_time(venue: Venue, alice: Client) -> None:
    arm(venue, "order_invisible_for_3s", count=1)
    hidden = alice.add("buy", "market", "0.1", cl_ord_id="once")
    assert alice.ok("ClosedOrders", cl_ord_id="once")["closed"] == {}
    assert alice.ok("OpenOrders", cl_ord_id="once")["open"] == {}
    assert alice.ok("TradesHistory")["trades"] == {}
    assert alice.error("QueryOrders", txid=hidden) == "EOrder:Invalid order"
    assert alice.balance("XXBT") == Decimal("2.1")
    venue.clock.advance(3.1)
    assert list(alice.ok("ClosedOrders", cl_ord_id="once")["closed"]) == [hidden]


@pytest.mark.parametrize(
    ("kind", "more"), [("market", {}), ("limit", {"price": "60006"}), ("limit", {"price": "60010"})]
)
def test_a_partial_fill_is_completed_after_a_while(
    venue: Venue, alice: Client, kind: str, more: dict[str, str]
) -> None:
    arm(venue, "partial_fill", count=1, seconds=2, fraction=0.25)
    txid = alice.add("buy", kind, "0.4", **more)
    order = alice.order(txid)
    assert (order["status"], order["vol_exec"]) == ("open", "0.10000000")
    venue.clock.advance(2)
    order = alice.order(txid)
    assert (order["status"], order["vol_exec"], len(order["trades"])) == ("closed", "0.40000000", 2)
    assert alice.held("ZUSD") == 0


def test_a_partial_fill_of_a_resting_order_leaves_the_rest_at_its_price(venue: Venue, alice: Client) -> None:
    arm(venue, "partial_fill", count=1, seconds=2)
    txid = alice.add("buy", "limit", "0.5", price="59000")
    assert alice.order(txid)["vol_exec"] == "0.20000000"
    venue.clock.advance(10)
    assert alice.order(txid)["vol_exec"] == "0.20000000"
    venue.price("59000")
    assert alice.order(txid)["status"] == "closed"


def test_an_immediate_order_is_cancelled_after_a_partial_fill(venue: Venue, alice: Client) -> None:
    arm(venue, "partial_fill", count=1)
    order = alice.order(alice.add("buy", "limit", "0.5", price="60010", timeinforce="IOC"))
    assert (order["status"], order["vol_exec"]) == ("canceled", "0.20000000")


def test_a_fee_may_be_taken_in_base_although_quote_was_asked_for(venue: Venue, alice: Client) -> None:
    arm(venue, "fee_in_base", count=1)
    order = alice.order(alice.add("buy", "market", "0.5", oflags="fciq"))
    assert order["oflags"] == "fciq"
    assert alice.balance("XXBT") == Decimal("2.5") - Decimal("0.002"), "0.4 % of what was bought"
    assert alice.balance("ZUSD") == Decimal("100000") - Decimal(order["cost"])


def test_a_partial_fill_then_cancel_ends_the_order_with_what_it_got(venue: Venue, alice: Client) -> None:
    arm(venue, "partial_fill_then_cancel", count=1, fraction=0.5)
    order = alice.order(alice.add("buy", "market", "0.5"))
    assert (order["status"], order["vol_exec"]) == ("canceled", "0.25000000")
    assert order["reason"]
    assert alice.held("ZUSD") == 0


def test_the_rest_of_a_partial_fill_that_can_no_longer_be_paid_is_cancelled(venue: Venue) -> None:
    client = venue.client("poor", balances={"USD": "6100"})
    arm(venue, "partial_fill", count=1, seconds=2, fraction=0.5)
    first = client.add("buy", "market", "0.1")
    client.add("buy", "market", "0.05")
    venue.clock.advance(2)
    order = client.order(first)
    assert (order["status"], order["vol_exec"], order["reason"]) == ("canceled", "0.05000000", "Insufficient funds")
    assert client.balance("ZUSD") >= 0


def test_an_order_that_fills_while_it_is_cancelled_is_filled_not_cancelled(venue: Venue, alice: Client) -> None:
    arm(venue, "fill_during_cancel", count=1)
    txid = alice.add("buy", "limit", "0.5", price="59000")
    assert alice.error("CancelOrder", txid=txid) == "EOrder:Unknown order"
    order = alice.order(txid)
    assert (order["status"], order["vol_exec"], order["price"]) == ("closed", "0.50000000", "59000.00000")


def test_a_lagging_balance_neither_shows_nor_sells_what_was_just_bought(venue: Venue) -> None:
    client = venue.client("fresh", balances={"USD": "10000"})
    arm(venue, "balance_lags_fill", seconds=3)
    client.add("buy", "market", "0.1")
    assert client.balance("XXBT") == 0
    assert client.balance("ZUSD") < 4000
    assert client.refused("sell", "market", "0.1") == "EOrder:Insufficient funds"
    venue.clock.advance(3.1)
    assert client.balance("XXBT") == Decimal("0.1")
    assert client.add("sell", "market", "0.1")


def test_stale_open_orders_show_what_was_a_while_ago(venue: Venue, alice: Client) -> None:
    old = alice.add("buy", "limit", "0.1", price="59000")
    venue.clock.advance(10)
    venue.price("59000")
    new = alice.add("buy", "limit", "0.1", price="50000")
    arm(venue, "stale_open_orders", seconds=5, count=1)
    stale = alice.ok("OpenOrders")["open"]
    assert {txid: (order["status"], order["vol_exec"]) for txid, order in stale.items()} == {
        old: ("open", "0.00000000")
    }
    assert list(alice.ok("OpenOrders")["open"]) == [new]


def test_an_unknown_status_is_not_one_of_the_venues_own(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "market", "0.1")
    arm(venue, "order_status_unknown", count=1)
    assert alice.order(txid)["status"] == "unknown"
    assert alice.order(txid)["status"] == "closed"


def test_a_raised_minimum_is_told_by_the_pairs_and_refuses_smaller_orders(venue: Venue, alice: Client) -> None:
    arm(venue, "ordermin_raised_mid_run", symbol="BTC/USD")
    assert venue.public("AssetPairs", pair="XBTUSD")["result"]["XXBTZUSD"]["ordermin"] == "0.00500"
    assert venue.public("AssetPairs", pair="ETHUSD")["result"]["XETHZUSD"]["ordermin"] == "0.001"
    assert alice.refused("buy", "market", "0.001") == "EGeneral:Invalid arguments:volume minimum not met"
    assert alice.add("buy", "market", "0.005")


def test_a_changed_precision_is_told_by_the_pairs_and_refuses_finer_prices(venue: Venue, alice: Client) -> None:
    arm(venue, "precision_change", symbol="BTC/USD")
    pair = venue.public("AssetPairs", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert (pair["pair_decimals"], pair["tick_size"], pair["lot_decimals"]) == (0, "1", 5)
    assert alice.refused("buy", "limit", "0.1", price="50000.1").startswith("EOrder:Invalid price:BTC/USD")
    txid = alice.add("buy", "limit", "0.123456789", price="50000")
    assert alice.order(txid)["vol"] == "0.12345000"
    venue.price("50000")
    assert alice.order(txid)["status"] == "closed"


def test_a_halted_pair_takes_cancels_only_while_others_trade(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000")
    arm(venue, "pair_halted", symbol="BTC/USD")
    assert venue.public("AssetPairs", pair="XBTUSD")["result"]["XXBTZUSD"]["status"] == "cancel_only"
    assert alice.error("AddOrder", **ORDER) == "EService:Market in cancel_only mode"
    assert alice.error("AmendOrder", txid=txid, order_qty="0.2") == "EService:Market in cancel_only mode"
    assert alice.add("buy", "market", "1", pair="ETHUSD")
    assert alice.ok("CancelOrder", txid=txid)["count"] == 1
    (switch,) = venue.exchange.faults
    assert switch.fired == 2


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("cancel_only_mode", "cancel_only", "EService:Market in cancel_only mode"),
        ("post_only_mode", "post_only", "EService:Market in post_only mode"),
        ("maintenance_mode", "maintenance", "EService:Unavailable"),
    ],
)
def test_a_mode_of_the_venue_is_told_by_its_status_and_refuses(
    venue: Venue, alice: Client, fault: str, status: str, error: str
) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000")
    arm(venue, fault)
    assert venue.public("SystemStatus")["result"]["status"] == status
    assert alice.error("AddOrder", **ORDER) == error
    if fault == "post_only_mode":
        assert alice.add("buy", "limit", "0.1", price="50000", oflags="post")
    assert (alice.call("CancelOrder", txid=txid)["error"] == []) == (fault != "maintenance_mode")
    venue.exchange.faults.clear()
    assert alice.call("AddOrder", **ORDER)["error"] == []
