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
