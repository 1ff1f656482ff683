"""Faults of lists: a row that nobody can read, a pair that is traded and not listed."""

from __future__ import annotations

from tests.unit.paper_exchange.venue import Client, Venue


def test_a_closed_order_can_come_without_its_type(venue: Venue, alice: Client) -> None:
    order = alice.add("buy", "market", "0.1")
    venue.exchange.faults.arm("row_without_type", symbol="BTC/USD", count=1)
    assert alice.ok("ClosedOrders")["closed"][order]["descr"]["type"] == ""
    assert alice.ok("ClosedOrders")["closed"][order]["descr"]["type"] == "buy"


def test_a_pair_can_be_traded_that_is_not_listed(venue: Venue, alice: Client) -> None:
    venue.exchange.faults.arm("pair_not_listed", symbol="BTC/USD")
    assert "XXBTZUSD" not in venue.public("AssetPairs")["result"]
    assert "XETHZUSD" in venue.public("AssetPairs")["result"]
    alice.add("buy", "market", "0.1")


def test_the_volume_of_an_order_sized_in_quote_can_be_shown_in_quote(venue: Venue, alice: Client) -> None:
    """The older published wording of `viqc`: with the fault `volume_in_quote` the rows have that unit."""
    venue.exchange.faults.arm("volume_in_quote", user="alice", symbol="BTC/USD")
    plain = alice.order(alice.add("buy", "market", "0.01"))
    order = alice.order(alice.add("buy", "market", "600", oflags="viqc"))
    assert (order["vol"], order["vol_exec"], order["cost"]) == ("600.00000000", "599.99999000", "599.99999")
    assert plain["vol_exec"] == "0.01000000"
