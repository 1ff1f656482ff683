"""Kraken's two rate counters: figures, decay on the wall clock, what each operation costs."""

from __future__ import annotations

from typing import Any

import pytest

from services.paper_exchange.kraken.counters import AgeCost, Counters
from tests.unit.paper_exchange.venue import Client, Venue

REST = "EAPI:Rate limit exceeded"
TRADING = "EOrder:Rate limit exceeded"


def calls_until(client: Client, error: str, method: str, **parameters: Any) -> int:
    """Count the calls that go through before one is refused."""
    for number in range(400):
        answer = client.call(method, **parameters)["error"]
        if answer == [error]:
            return number
    raise AssertionError("never limited")


@pytest.mark.parametrize(("tier", "calls"), [("starter", 15), ("intermediate", 20), ("pro", 20)])
def test_the_rest_counter_ends_at_its_tiers_maximum(venue: Venue, tier: str, calls: int) -> None:
    assert calls_until(venue.client("alice", tier=tier), REST, "Balance") == calls


@pytest.mark.parametrize("method", ["Ledgers", "TradesHistory"])
def test_histories_cost_two(venue: Venue, method: str) -> None:
    assert calls_until(venue.client("alice", tier="pro"), REST, method) == 10


def test_the_rest_counter_decays_on_the_wall_clock(venue: Venue) -> None:
    client = venue.client("alice", tier="pro")
    calls_until(client, REST, "Balance")
    venue.clock.advance(60)
    assert calls_until(client, REST, "Balance") == 20


def test_calling_while_limited_prolongs_the_limit(venue: Venue) -> None:
    patient, impatient = venue.client("patient", tier="pro"), venue.client("impatient", tier="pro")
    for client in (patient, impatient):
        calls_until(client, REST, "Balance")
    for _ in range(10):
        impatient.call("Balance")
    venue.clock.advance(3)
    assert patient.call("Balance")["error"] == []
    assert impatient.error("Balance") == REST


def test_a_limited_call_is_journaled_and_has_used_up_its_nonce(venue: Venue) -> None:
    client = venue.client("alice", tier="pro")
    calls_until(client, REST, "Balance")
    assert venue.journal()[-1]["verdict"] == REST
    venue.clock.advance(60)
    assert client.error("Balance", nonce="21") == "EAPI:Invalid nonce"


def test_orders_do_not_count_on_the_rest_counter(venue: Venue) -> None:
    client = venue.client("alice", tier="pro")
    for _ in range(30):
        client.add("buy", "market", "0.001")
    assert calls_until(client, REST, "Balance") == 20


@pytest.mark.parametrize(("tier", "orders"), [("starter", 60), ("intermediate", 125), ("pro", 180)])
def test_the_trading_counter_ends_at_its_tiers_maximum_per_pair(venue: Venue, tier: str, orders: int) -> None:
    client = venue.client("alice", tier=tier)
    order: dict[str, Any] = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "market",
        "volume": "0.0001",
        "validate": "true",
    }
    assert calls_until(client, TRADING, "AddOrder", **order) == orders
    assert client.call("AddOrder", **{**order, "pair": "ETHUSD", "volume": "1"})["error"] == []


def test_an_order_that_fails_validation_costs_all_the_same(venue: Venue) -> None:
    client = venue.client("alice", tier="starter")
    bad: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0"}
    assert calls_until(client, TRADING, "AddOrder", **bad) == 60


def test_the_trading_counter_belongs_to_the_account_and_decays(venue: Venue) -> None:
    first, second = venue.client("alice", tier="pro"), venue.client("alice", tier="pro")
    order: dict[str, Any] = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "market",
        "volume": "0.0001",
        "validate": "true",
    }
    calls_until(first, TRADING, "AddOrder", **order)
    assert second.error("AddOrder", **order) == TRADING
    venue.clock.advance(60)
    assert second.call("AddOrder", **order)["error"] == []


@pytest.mark.parametrize(
    ("aged", "by_age"),
    [
        (AgeCost.CANCEL, {0: 8, 4.9: 8, 5: 6, 9.9: 6, 10: 5, 15: 4, 44: 4, 45: 2, 90: 1, 299: 1, 300: 0}),
        (AgeCost.AMEND, {0: 3, 5: 2, 10: 1, 15: 0, 1000: 0}),
        (AgeCost.EDIT, {0: 6, 5: 5, 10: 4, 15: 2, 45: 1, 90: 0}),
    ],
)
def test_the_cost_of_touching_an_order_falls_with_its_age(aged: AgeCost, by_age: dict[float, int]) -> None:
    assert {age: aged.cost(age) for age in by_age} == by_age


def test_cancelling_young_orders_uses_the_counter_up_but_is_never_refused(venue: Venue) -> None:
    client = venue.client("alice", tier="starter")
    for _ in range(7):  # 7 x (1 + 8) = 63 > 60
        txid = client.add("buy", "limit", "0.001", price="50000")
        assert client.ok("CancelOrder", txid=txid)["count"] == 1
    assert client.refused("buy", "limit", "0.001", price="50000") == TRADING


def test_cancelling_an_old_order_costs_nothing(venue: Venue) -> None:
    client = venue.client("alice", tier="starter")
    ids = [client.add("buy", "limit", "0.001", price="50000") for _ in range(30)]
    venue.clock.advance(301)
    for txid in ids:
        client.ok("CancelOrder", txid=txid)
    order: dict[str, Any] = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "market",
        "volume": "0.0001",
        "validate": "true",
    }
    assert calls_until(client, TRADING, "AddOrder", **order) == 60


def test_open_orders_per_pair_are_capped_by_tier(venue: Venue) -> None:
    client = venue.client("alice", tier="starter")
    for _ in range(60):
        venue.clock.advance(2)
        client.add("buy", "limit", "0.0001", price="50000")
    venue.clock.advance(60)
    assert client.refused("buy", "limit", "0.0001", price="50000") == "EOrder:Orders limit exceeded"


def test_limits_can_be_switched_off() -> None:
    venue = Venue(limits={"rest": False, "trading": False})
    client = venue.client("alice", tier="starter")
    for _ in range(100):
        client.ok("Balance")
        client.add("buy", "market", "0.0001")


def test_a_wall_clock_that_steps_back_gives_nothing_away() -> None:
    counters = Counters()
    assert counters.charge("key", 100.0, 10, 20, 1.0)
    assert counters.charge("key", 50.0, 10, 20, 1.0)
    assert not counters.charge("key", 50.0, 1, 20, 1.0)
