"""Orders that wait for a price to become other orders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.paper_exchange.venue import Client, Venue


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "before", "after"),
    [
        ("sell", "stop-loss", "58000", "58000.1", "58000"),
        ("sell", "take-profit", "62000", "61999.9", "62000"),
        ("buy", "stop-loss", "62000", "61999.9", "62000"),
        ("buy", "take-profit", "58000", "58000.1", "58000"),
    ],
)
def test_a_trigger_fires_at_its_price_and_not_before(
    venue: Venue, alice: Client, side: str, kind: str, trigger: str, before: str, after: str
) -> None:
    txid = alice.add(side, kind, "0.5", price=trigger)
    venue.price(before)
    waiting = alice.order(txid)
    assert (waiting["status"], waiting["vol_exec"], waiting["stopprice"]) == ("open", "0.00000000", "0.00000")
    venue.price(after)
    done = alice.order(txid)
    assert (done["status"], done["vol_exec"], done["stopprice"]) == ("closed", "0.50000000", f"{trigger}.00000")
    assert done["descr"]["order"] == f"{side} 0.50000000 XBTUSD @ {kind.replace('-', ' ')} {trigger}.0"
    (trade,) = alice.ok("TradesHistory")["trades"].values()
    assert trade["maker"] is False


def test_a_gap_through_a_stop_fills_at_the_price_behind_the_gap(venue: Venue, alice: Client) -> None:
    txid = alice.add("sell", "stop-loss", "0.5", price="58000")
    venue.price("50000")
    assert alice.order(txid)["price"] == "49995.00000"


def test_a_stop_limit_becomes_a_limit_that_may_go_unfilled(venue: Venue, alice: Client) -> None:
    txid = alice.add("sell", "stop-loss-limit", "0.5", price="58000", price2="57500")
    order = alice.order(txid)
    assert order["descr"]["order"] == "sell 0.50000000 XBTUSD @ stop loss 58000.0 -> limit 57500.0"
    assert (order["descr"]["price"], order["descr"]["price2"], order["limitprice"]) == (
        "58000.0",
        "57500.0",
        "0.00000",
    )
    venue.price("57000")
    order = alice.order(txid)
    assert (order["status"], order["stopprice"], order["limitprice"]) == ("open", "58000.00000", "57500.00000")
    venue.price("57500")
    filled = alice.order(txid)
    assert (filled["status"], filled["price"]) == ("closed", "57500.00000")


def test_a_stop_limit_inside_its_limit_fills_at_once(venue: Venue, alice: Client) -> None:
    txid = alice.add("sell", "stop-loss-limit", "0.5", price="58000", price2="57500")
    venue.price("57900")
    assert alice.order(txid)["status"] == "closed"


def test_a_relative_second_price_is_taken_from_the_trigger(alice: Client) -> None:
    txid = alice.add("sell", "take-profit-limit", "0.5", price="62000", price2="-1%")
    assert alice.order(txid)["descr"]["price2"] == "61380.0"


def test_a_trailing_stop_follows_the_price_up_and_sells_on_the_way_down(venue: Venue, alice: Client) -> None:
    txid = alice.add("sell", "trailing-stop", "0.5", price="+1000")
    assert alice.order(txid)["descr"]["order"] == "sell 0.50000000 XBTUSD @ trailing stop +1000.0"
    for price, stop in (("61000", "60000"), ("60500", "60000"), ("63000", "62000"), ("62000.1", "62000")):
        venue.price(price)
        order = alice.order(txid)
        assert (order["status"], order["stopprice"]) == ("open", f"{stop}.00000")
    venue.price("62000")
    assert alice.order(txid)["status"] == "closed"


def test_a_trailing_buy_follows_the_price_down(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "trailing-stop", "0.5", price="+2%")
    venue.price("55000")
    assert alice.order(txid)["stopprice"] == "56100.00000"
    venue.price("56100")
    assert alice.order(txid)["status"] == "closed"


def test_a_trailing_stop_limit_leaves_a_limit_at_its_distance(venue: Venue, alice: Client) -> None:
    txid = alice.add("sell", "trailing-stop-limit", "0.5", price="+1000", price2="-100")
    assert alice.order(txid)["descr"]["order"] == "sell 0.50000000 XBTUSD @ trailing stop +1000.0 -> limit -100.0"
    venue.price("62000")
    venue.price("60500")
    assert (alice.order(txid)["status"], alice.order(txid)["limitprice"]) == ("open", "60900.00000")
    venue.price("60900")
    assert alice.order(txid)["price"] == "60900.00000"


@pytest.mark.parametrize("price", ["1000", "-1000", "#1000"])
def test_a_trailing_distance_needs_its_plus(alice: Client, price: str) -> None:
    assert alice.refused("sell", "trailing-stop", "0.5", price=price) == "EGeneral:Invalid arguments:price"


def test_a_conditional_close_is_placed_for_what_was_filled(venue: Venue, alice: Client) -> None:
    close: dict[str, Any] = {"close[ordertype]": "stop-loss-limit", "close[price]": "58000", "close[price2]": "57000"}
    result = alice.ok("AddOrder", pair="XBTUSD", type="buy", ordertype="limit", price="59000", volume="0.5", **close)
    assert result["descr"]["close"] == "close position @ stop loss 58000.0 -> limit 57000.0"
    assert len(alice.ok("OpenOrders")["open"]) == 1
    venue.price("59000")
    ((txid, order),) = alice.ok("OpenOrders")["open"].items()
    assert (order["refid"], order["descr"]["type"], order["vol"]) == (result["txid"][0], "sell", "0.50000000")
    venue.price("57800")
    assert alice.order(txid)["status"] == "closed"


def test_a_triggered_buy_that_can_no_longer_be_paid_is_cancelled(venue: Venue) -> None:
    client = venue.client("tight", balances={"USD": "62500"})
    txid = client.add("buy", "stop-loss", "1", price="62000")
    venue.price("65000")
    order = client.order(txid)
    assert (order["status"], order["vol_exec"], order["reason"]) == ("canceled", "0.00000000", "Insufficient funds")
    assert client.balance("ZUSD") == 62500
