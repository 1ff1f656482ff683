"""The lists of orders and fills: filters, order, pages and cursors."""

from __future__ import annotations

from typing import Any

import pytest

from services.paper_exchange.coinbase.texts import rfc3339
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import GTC, MARKET, cancel, create, fills, listed, order

ORDERS = "orders/historical/batch"
FILLS = "orders/historical/fills"


@pytest.fixture
def orders(bench: Bench, alice: Client) -> dict[str, str]:
    """One order of each kind, a second apart, the oldest first."""
    bench.exchange.accounts["alice", "coinbase"].balances["USDC"] += 10_000
    wanted: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
        ("market", (MARKET,), {"base_size": "0.1"}),
        ("limit", (GTC,), {"base_size": "0.1", "limit_price": "59000"}),
        ("gtd", ("limit_limit_gtd", "SELL"), {"base_size": "0.1", "limit_price": "61000", "end_time": "2099-01-01T00:00:00Z"}),
        ("stop", ("stop_limit_stop_limit_gtc", "SELL"), {
            "base_size": "0.1", "limit_price": "50000", "stop_price": "51000", "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }),
        ("alias", (MARKET, "BUY", "BTC-USDC"), {"quote_size": "100"}),
        ("eth", ("sor_limit_ioc", "BUY", "ETH-USD"), {"base_size": "0.1", "limit_price": "2000"}),
    ]  # fmt: skip
    made = {}
    for name, what, fields in wanted:
        bench.clock.advance(1)
        made[name] = create(alice, *what, **fields)
    return made


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "eth alias stop gtd limit market"),
        ({"order_status": "OPEN"}, "stop gtd limit"),
        ({"order_status": ["FILLED", "CANCELLED"]}, "eth alias market"),
        ({"order_status": "EXPIRED"}, ""),
        ({"product_ids": "BTC-USD"}, "stop gtd limit market"),
        ({"product_ids": ["BTC-USDC", "ETH-USD"]}, "eth alias"),
        ({"product_id": "ETH-USD"}, "eth alias stop gtd limit market"),
        ({"order_types": "MARKET"}, "alias market"),
        ({"order_types": ["STOP_LIMIT", "LIMIT"]}, "eth stop gtd limit"),
        ({"order_side": "SELL"}, "stop gtd"),
        ({"time_in_forces": "GOOD_UNTIL_CANCELLED"}, "stop limit"),
        ({"time_in_forces": ["IMMEDIATE_OR_CANCEL", "GOOD_UNTIL_DATE_TIME"]}, "eth alias gtd market"),
        ({"asset_filters": "USDC"}, "alias"),
        ({"asset_filters": ["ETH", "USDC"]}, "eth alias"),
        ({"product_type": "SPOT"}, "eth alias stop gtd limit market"),
        ({"product_type": "FUTURE"}, ""),
        ({"order_placement_source": "RETAIL_SIMPLE"}, ""),
        ({"retail_portfolio_id": "another"}, ""),
        ({"sort_by": "LIMIT_PRICE", "order_status": "OPEN"}, "gtd limit stop"),
        ({"order_status": "OPEN", "order_side": "BUY", "product_ids": "BTC-USD"}, "limit"),
    ],
)
def test_filters(alice: Client, orders: dict[str, str], query: dict[str, Any], names: str) -> None:
    assert listed(alice, **query) == [orders[name] for name in names.split()]


def test_ids_and_instants_of_creation(bench: Bench, alice: Client, orders: dict[str, str]) -> None:
    assert listed(alice, order_ids=[orders["stop"], orders["market"], "nowhere"]) == [orders["stop"], orders["market"]]
    start = rfc3339(bench.clock.now() - 3)
    assert listed(alice, start_date=start) == [orders[name] for name in ("eth", "alias", "stop", "gtd")]
    assert listed(alice, end_date=start) == [orders[name] for name in ("limit", "market")]
    bench.clock.advance(1)
    bench.price("59000")
    assert orders["limit"] not in listed(alice, start_date=start), "by creation: an old order that fills now is not new"
    assert listed(alice, sort_by="LAST_UPDATE_TIME")[0] == orders["limit"]
    assert listed(alice, sort_by="LAST_FILL_TIME")[0] == orders["limit"]


@pytest.mark.parametrize(
    "query",
    [{"order_status": ["OPEN", "FILLED"]}, {"limit": 1001}, {"limit": -1}, {"limit": "x"}, {"start_date": "yesterday"},
     {"cursor": "nonsense"}, {"cursor": "%%%"}, {"sort_by": "SIZE"}],
)  # fmt: skip
def test_what_the_list_does_not_know_is_a_400(alice: Client, orders: dict[str, str], query: dict[str, Any]) -> None:
    assert orders
    assert alice.call("GET", ORDERS, **query).status == 400


def test_pages_stay_whole_under_new_orders(alice: Client, orders: dict[str, str]) -> None:
    seen: list[str] = []
    cursor = ""
    for number in range(10):
        page = alice.get(ORDERS, limit=2, cursor=cursor)
        seen += [row["order_id"] for row in page["orders"]]
        assert len(page["orders"]) == 2
        create(alice, MARKET, base_size="0.01")
        if not page["has_next"]:
            assert (page["cursor"], number) == ("", 2)
            break
        assert page["cursor"] == page["orders"][-1]["cursor"], "a row's own cursor goes on after it"
        cursor = page["cursor"]
    assert seen == list(reversed(orders.values()))
    assert len(listed(alice)) == 9


def test_an_order_s_row_is_the_same_in_the_list(alice: Client, orders: dict[str, str]) -> None:
    for row in alice.get(ORDERS)["orders"]:
        assert row.pop("cursor")
        assert row == order(alice, row["order_id"])
    assert alice.call("GET", "orders/historical/nowhere").json["error"] == "NOT_FOUND"


def test_open_leaves_out_what_is_pending(bench: Bench, alice: Client) -> None:
    bench.arm("pending_for", count=1, seconds=3)
    order_id = create(alice, GTC, base_size="0.1", limit_price="59000")
    assert listed(alice, order_status="OPEN") == []
    assert listed(alice, order_status="PENDING") == listed(alice) == [order_id]
    bench.clock.advance(3.1)
    assert listed(alice, order_status="OPEN") == [order_id]


def test_fills_are_the_newest_first_and_have_no_has_next(bench: Bench, alice: Client) -> None:
    made = []
    for _ in range(5):
        bench.clock.advance(1)
        made.append(create(alice, MARKET, base_size="0.01"))
    first = alice.get(FILLS, limit=3)
    assert first.keys() == {"fills", "cursor"}
    create(alice, MARKET, base_size="0.02")
    second = alice.get(FILLS, limit=3, cursor=first["cursor"])
    assert second["cursor"] == ""
    assert [row["order_id"] for row in first["fills"] + second["fills"]] == made[::-1]
    assert alice.call("GET", FILLS, cursor="nonsense").status == 400
    assert alice.call("GET", FILLS, limit=1001).status == 400


def test_fills_of_orders_trades_products_and_instants(bench: Bench, alice: Client, orders: dict[str, str]) -> None:
    rows = fills(alice)
    assert [row["order_id"] for row in rows] == [orders["alias"], orders["market"]]
    assert fills(alice, order_ids=[orders["market"], orders["stop"]]) == rows[1:]
    assert fills(alice, trade_ids=rows[0]["trade_id"]) == rows[:1]
    assert fills(alice, product_ids="BTC-USDC") == rows[:1]
    assert fills(alice, order_side="SELL") == fills(alice, order_types="LIMIT") == []
    assert fills(alice, order_id=orders["market"], product_id="BTC-USD") == rows, "the singular is ignored"
    middle = rfc3339(bench.clock.now() - 3)
    assert fills(alice, start_sequence_timestamp=middle) == rows[:1]
    assert fills(alice, end_sequence_timestamp=middle) == rows[1:]
    assert fills(alice, start_sequence_timestamp=rows[0]["sequence_timestamp"]) == rows[:1]


def test_an_account_sees_its_own_orders_and_fills_alone(bench: Bench, alice: Client, orders: dict[str, str]) -> None:
    bob = bench.client("bob")
    assert (listed(bob), fills(bob), fills(bob, order_ids=orders["market"])) == ([], [], [])
    cancel(alice, orders["limit"])
    other = bench.client("alice", portfolio="Second", balances={"USD": "100"})
    assert listed(other) == []
