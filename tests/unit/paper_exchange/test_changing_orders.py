"""Amend, edit, cancel, batches, and the dead man's switch."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.paper_exchange.venue import Client, Venue


def test_an_amended_order_keeps_its_id_and_holds_what_it_now_needs(alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="50000", cl_ord_id="mine")
    amended = alice.ok("AmendOrder", txid=txid, order_qty="0.5", limit_price="51000")
    assert amended["amend_id"].startswith("T")
    order = alice.order(txid)
    assert (order["vol"], order["descr"]["price"], order["cl_ord_id"]) == ("0.50000000", "51000.0", "mine")
    assert alice.held("ZUSD") == Decimal("25602")
    assert alice.ok("AmendOrder", cl_ord_id="mine", limit_price="-10%")
    assert alice.order(txid)["descr"]["price"] == "54000.0"
    amends = alice.ok("OrderAmends", order_id=txid)
    assert (amends["count"], [row["amend_type"] for row in amends["amends"]]) == (3, ["original", "user", "user"])


def test_an_amendment_that_crosses_trades_at_once(alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="50000")
    assert alice.error("AmendOrder", txid=txid, limit_price="60006", post_only="true") == "EOrder:Post only order"
    alice.ok("AmendOrder", txid=txid, limit_price="60006")
    assert (alice.order(txid)["status"], alice.order(txid)["price"]) == ("closed", "60006.00000")


def test_an_old_place_in_the_book_is_void_after_an_amendment(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="59000")
    alice.ok("AmendOrder", txid=txid, limit_price="55000")
    venue.price("58000")
    assert alice.order(txid)["status"] == "open"
    venue.price("55000")
    assert alice.order(txid)["price"] == "55000.00000"


def test_a_size_below_what_is_filled_cancels_the_rest(venue: Venue) -> None:
    whale = venue.client("whale", balances={"USD": "10000000"})
    txid = whale.add("buy", "limit", "20", price="60010")
    filled = whale.order(txid)["vol_exec"]
    whale.ok("AmendOrder", txid=txid, order_qty="0.1")
    assert (whale.order(txid)["status"], whale.order(txid)["vol_exec"]) == ("canceled", filled)
    assert whale.held("ZUSD") == 0


def test_trigger_and_trailing_distance_can_be_amended(venue: Venue, alice: Client) -> None:
    stop = alice.add("sell", "stop-loss", "0.5", price="58000")
    alice.ok("AmendOrder", txid=stop, trigger_price="57000")
    trail = alice.add("sell", "trailing-stop", "0.5", price="+1000")
    alice.ok("AmendOrder", txid=trail, trigger_price="+2500")
    venue.price("57500")
    assert alice.order(stop)["status"] == "open"
    assert alice.order(trail)["status"] == "closed"
    venue.price("57000")
    assert alice.order(stop)["status"] == "closed"


def test_amendments_that_make_no_sense_are_refused(alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="50000")
    assert alice.error("AmendOrder", txid=txid, order_qty="1") == "EOrder:No amendable parameters provided"
    assert alice.error("AmendOrder", txid=txid, order_qty="2") == "EOrder:Insufficient funds"
    assert (
        alice.error("AmendOrder", txid=txid, order_qty="0.00001") == "EGeneral:Invalid arguments:volume minimum not met"
    )
    assert alice.error("AmendOrder", txid=txid, trigger_price="1") == "EGeneral:Invalid arguments:limit_price"
    assert alice.error("AmendOrder", order_qty="1") == "EGeneral:Invalid arguments:txid"
    assert alice.error("AmendOrder", txid="OB6JJR-7NZ5P-N5SKCB", order_qty="1") == "EOrder:Unknown order"
    filled = alice.add("buy", "market", "0.1")
    assert alice.error("AmendOrder", txid=filled, order_qty="1") == "EOrder:Unknown order"


def test_an_edited_order_is_a_new_one(alice: Client) -> None:
    old = alice.add("buy", "limit", "1", price="50000", userref="5")
    edited = alice.ok("EditOrder", txid=old, pair="XBTUSD", volume="0.5", price="51000")
    assert edited["originaltxid"] == old
    assert (edited["status"], edited["volume"], edited["price"], edited["orders_cancelled"]) == (
        "ok",
        "0.50000000",
        "51000.0",
        1,
    )
    assert alice.order(old)["status"] == "canceled"
    new = alice.order(edited["txid"])
    assert (new["status"], new["userref"], new["descr"]["price"]) == ("open", 5, "51000.0")
    assert alice.error("EditOrder", txid=old, pair="XBTUSD", volume="0.5") == "EOrder:Invalid order"


def test_an_edit_only_to_validate_changes_nothing(alice: Client) -> None:
    old = alice.add("buy", "limit", "1", price="50000")
    assert "txid" not in alice.ok("EditOrder", txid=old, pair="XBTUSD", volume="0.5", validate="true")
    assert alice.order(old)["status"] == "open"


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        ("stop-loss-limit", {"price": "55000", "price2": "54000"}),
        ("trailing-stop", {"price": "+1000"}),
        ("trailing-stop-limit", {"price": "+1000", "price2": "-50"}),
    ],
)
def test_an_edit_keeps_what_it_does_not_name(alice: Client, kind: str, prices: dict[str, str]) -> None:
    old = alice.add("sell", kind, "1", **prices)
    new = alice.ok("EditOrder", txid=old, pair="XBTUSD", volume="0.5")["txid"]
    before, after = alice.order(old)["descr"], alice.order(new)["descr"]
    assert {key: after[key] for key in ("ordertype", "price", "price2")} == {
        key: before[key] for key in ("ordertype", "price", "price2")
    }


def test_a_cancelled_order_gives_its_hold_back_and_stays_cancelled(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="50000")
    assert alice.ok("CancelOrder", txid=txid) == {"count": 1, "pending": False}
    venue.price("40000")
    order = alice.order(txid)
    assert (order["status"], order["reason"]) == ("canceled", "User requested")
    assert alice.held("ZUSD") == 0


def test_cancelling_what_is_gone_or_never_was_is_an_unknown_order(alice: Client) -> None:
    filled = alice.add("buy", "market", "0.1")
    assert alice.error("CancelOrder", txid=filled) == "EOrder:Unknown order"
    assert alice.error("CancelOrder", txid="OB6JJR-7NZ5P-N5SKCB") == "EOrder:Unknown order"
    assert alice.error("CancelOrder", cl_ord_id="nobody") == "EOrder:Unknown order"
    assert alice.error("CancelOrder") == "EGeneral:Invalid arguments:txid"


def test_one_accounts_orders_are_unknown_to_another(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000", cl_ord_id="hers")
    bob = venue.client("bob")
    assert bob.error("CancelOrder", txid=txid) == "EOrder:Unknown order"
    assert bob.error("CancelOrder", cl_ord_id="hers") == "EOrder:Unknown order"
    assert bob.error("QueryOrders", txid=txid) == "EOrder:Invalid order"


def test_a_userref_cancels_all_of_its_orders(alice: Client) -> None:
    for _ in range(3):
        alice.add("buy", "limit", "0.1", price="50000", userref="7")
    kept = alice.add("buy", "limit", "0.1", price="50000", userref="8")
    assert alice.ok("CancelOrder", txid="7")["count"] == 3
    assert list(alice.ok("OpenOrders")["open"]) == [kept]


def test_cancel_all_leaves_none(alice: Client) -> None:
    for price in ("50000", "51000"):
        alice.add("buy", "limit", "0.1", price=price)
    assert alice.ok("CancelAll") == {"count": 2}
    assert alice.ok("OpenOrders") == {"open": {}}
    assert alice.ok("CancelAll") == {"count": 0}


def test_the_dead_mans_switch_cancels_when_it_is_not_renewed(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000")
    armed = alice.ok("CancelAllOrdersAfter", timeout="60")
    assert (armed["currentTime"], armed["triggerTime"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z")
    venue.clock.advance(50)
    alice.ok("CancelAllOrdersAfter", timeout="60")
    venue.clock.advance(50)
    assert alice.order(txid)["status"] == "open"
    venue.clock.advance(11)
    assert alice.order(txid)["status"] == "canceled"
    kept = alice.add("buy", "limit", "0.1", price="50000")
    alice.ok("CancelAllOrdersAfter", timeout="60")
    assert alice.ok("CancelAllOrdersAfter", timeout="0")["triggerTime"] == "0"
    venue.clock.advance(100)
    assert alice.order(kept)["status"] == "open"
    assert alice.error("CancelAllOrdersAfter", timeout="86400") == "EGeneral:Invalid arguments:timeout"


def test_a_batch_places_each_order_and_refuses_the_unpaid_row_only(alice: Client) -> None:
    rows = [
        {"ordertype": "limit", "type": "buy", "price": "50000", "volume": "1", "cl_ord_id": "first"},
        {"ordertype": "limit", "type": "buy", "price": 50000, "volume": 1.5},
        {"ordertype": "market", "type": "sell", "volume": "0.1"},
    ]
    orders = alice.ok("AddOrderBatch", as_json=True, pair="XBTUSD", orders=rows)["orders"]
    assert isinstance(orders[0]["txid"], str)
    assert orders[1]["error"] == "EOrder:Insufficient funds"
    assert alice.order(orders[2]["txid"])["status"] == "closed"


def test_one_bad_argument_refuses_a_whole_batch(venue: Venue, alice: Client) -> None:
    good = {"ordertype": "limit", "type": "buy", "price": "50000", "volume": "0.1"}
    bad = {**good, "volume": "0"}
    assert (
        alice.error("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[good, bad])
        == "EGeneral:Invalid arguments:volume"
    )
    assert (
        alice.error("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[good]) == "EGeneral:Invalid arguments:orders"
    )
    assert alice.error("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[good, "x"]) == "EGeneral:Invalid arguments"
    assert venue.exchange.journal.orders == []
    checked = alice.ok("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[good, good], validate=True)["orders"]
    assert [list(row) for row in checked] == [["descr"], ["descr"]]


def test_a_batch_cancel_takes_ids_of_every_kind(alice: Client) -> None:
    first = alice.add("buy", "limit", "0.1", price="50000")
    alice.add("buy", "limit", "0.1", price="50000", userref="9")
    alice.add("buy", "limit", "0.1", price="50000", cl_ord_id="third")
    cancelled = alice.ok(
        "CancelOrderBatch", as_json=True, orders=[first, 9, "OB6JJR-7NZ5P-N5SKCB"], cl_ord_ids=["third"]
    )
    assert cancelled == {"count": 3}
    assert alice.error("CancelOrderBatch", as_json=True, orders=[]) == "EGeneral:Invalid arguments:orders"


def test_an_order_amended_before_its_start_still_waits_for_it(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "1", price="50000", starttm="+30")
    alice.ok("AmendOrder", txid=txid, limit_price="60006")
    assert alice.order(txid)["status"] == "pending"
    assert alice.held("ZUSD") == Decimal("60246.024")
    venue.clock.advance(31)
    assert alice.order(txid)["status"] == "closed"
