"""The private channel: its snapshot, its rows, and that they never differ from what REST shows in the same moment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import ASK, GTC, MARKET, TAKER, body, cancel, create, order
from tests.unit.paper_exchange.coinbase.streams.wire import Desk, Wire

IOC = "sor_limit_ioc"
ROW = {
    "order_id", "client_order_id", "product_id", "product_type", "order_side", "order_type", "status", "time_in_force",
    "cumulative_quantity", "leaves_quantity", "avg_price", "filled_value", "number_of_fills", "completion_percentage",
    "total_fees", "total_value_after_fees", "outstanding_hold_amount", "limit_price", "stop_price", "post_only",
    "trigger_status", "cancel_reason", "reject_reason", "creation_time", "start_time", "end_time", "contract_expiry_type",
    "risk_managed_by", "retail_portfolio_id",
}  # fmt: skip
"""The fields of the recorded row."""


def agrees(row: Any, shown: Any) -> None:
    """Assert that a row shows what the REST interface shows of the same order."""
    same = {
        "status": "status", "cumulative_quantity": "filled_size", "filled_value": "filled_value", "total_fees": "total_fees",
        "avg_price": "average_filled_price", "number_of_fills": "number_of_fills", "client_order_id": "client_order_id",
        "completion_percentage": "completion_percentage", "total_value_after_fees": "total_value_after_fees",
        "outstanding_hold_amount": "outstanding_hold_amount", "trigger_status": "trigger_status", "order_side": "side",
        "time_in_force": "time_in_force", "retail_portfolio_id": "retail_portfolio_id", "cancel_reason": "cancel_message",
        "creation_time": "created_time",
    }  # fmt: skip
    assert {each: row[each] for each in same} == {each: shown[name] for each, name in same.items()}
    assert row["reject_reason"] == shown["reject_reason"].replace("REJECT_REASON_UNSPECIFIED", "")


def last_rows(wire: Wire) -> dict[str, Any]:
    """Return the last row of each order since the last call."""
    return {row["order_id"]: row for row in wire.rows()}


def sums(rows: list[Any]) -> list[tuple[str, str, str]]:
    return [(row["status"], row["cumulative_quantity"], row["leaves_quantity"]) for row in rows]


def test_a_market_order_is_pending_then_filled(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    order_id = create(alice, MARKET, base_size="0.1", client_id="mine")
    rows = wire.rows()
    assert sums(rows) == [("PENDING", "0", "0.1"), ("FILLED", "0.1", "0")]
    row = rows[-1]
    assert row.keys() == ROW
    agrees(row, order(alice, order_id))
    cost = ASK / 10
    assert (Decimal(row["filled_value"]), Decimal(row["total_fees"])) == (cost, cost * TAKER)
    assert (row["order_type"], row["limit_price"], row["stop_price"]) == ("Market", "", "")
    assert (row["post_only"], row["start_time"], row["end_time"]) == ("false", *["0001-01-01T00:00:00Z"] * 2)
    assert (row["client_order_id"], row["product_id"], row["order_id"]) == ("mine", "BTC-USD", order_id)


def test_every_fill_is_a_row_of_its_own_with_the_sums_so_far(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    order_id = create(alice, MARKET, quote_size="90000")
    rows = wire.rows()
    assert [row["status"] for row in rows[:-1]] == ["PENDING", *["OPEN"] * (len(rows) - 2)]
    assert (rows[-1]["status"], len(rows) > 3) == ("FILLED", False)
    agrees(rows[-1], order(alice, order_id))


def test_an_order_over_several_levels(bench: Bench, desk: Desk) -> None:
    rich = bench.client("rich", balances={"USD": "10000000"})
    wire = desk.listen(rich)
    order_id = create(rich, MARKET, base_size="5")
    rows = wire.rows()
    assert [row["number_of_fills"] for row in rows] == ["0", "1", "2", "3"]
    filled = [Decimal(row["cumulative_quantity"]) for row in rows]
    assert filled == sorted(set(filled))
    assert all(Decimal(row["leaves_quantity"]) == 5 - done for row, done in zip(rows, filled, strict=True))
    assert [row["status"] for row in rows] == ["PENDING", "OPEN", "OPEN", "FILLED"]
    agrees(rows[-1], order(rich, order_id))


def test_a_resting_order_until_its_end(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    order_id = create(alice, GTC, base_size="0.5", limit_price="59000", post_only=True)
    taken, waiting = wire.rows()
    assert (taken["status"], waiting["status"], waiting["leaves_quantity"]) == ("PENDING", "OPEN", "0.5")
    assert (waiting["order_type"], waiting["limit_price"], waiting["post_only"]) == ("Limit", "59000", "true")
    assert Decimal(waiting["outstanding_hold_amount"]) == Decimal("29500") * (1 + TAKER)
    agrees(waiting, order(alice, order_id))

    alice.post("orders/edit", {"order_id": order_id, "size": "0.4", "price": "58900"})
    (edited,) = wire.rows()
    assert (edited["limit_price"], edited["leaves_quantity"], edited["status"]) == ("58900", "0.4", "OPEN")
    agrees(edited, order(alice, order_id))

    cancel(alice, order_id)
    (ended,) = wire.rows()
    assert (ended["status"], ended["cancel_reason"], ended["leaves_quantity"]) == (
        "CANCELLED",
        "User requested cancel",
        "0",
    )
    agrees(ended, order(alice, order_id))


def test_a_resting_order_fills_in_parts(bench: Bench, desk: Desk) -> None:
    rich = bench.client("rich", balances={"USD": "10000000"})
    wire = desk.listen(rich)
    order_id = create(rich, GTC, base_size="4", limit_price="59000")
    wire.read()
    for price in ("59000", "58999", "59000"):
        bench.price(price)
        for row in wire.rows():
            agrees(row, order(rich, order_id))
            assert Decimal(row["leaves_quantity"]) == (
                4 - Decimal(row["cumulative_quantity"]) if row["status"] == "OPEN" else 0
            )
    assert order(rich, order_id)["status"] == "FILLED"


def test_an_immediate_order_ends_cancelled_with_its_part(bench: Bench, desk: Desk) -> None:
    rich = bench.client("rich", balances={"USD": "10000000"})
    wire = desk.listen(rich)
    order_id = create(rich, IOC, base_size="4", limit_price="60006")
    rows = wire.rows()
    assert [row["status"] for row in rows] == ["PENDING", "CANCELLED"]
    assert (0 < Decimal(rows[-1]["cumulative_quantity"]) < 4, rows[-1]["leaves_quantity"]) == (True, "0")
    agrees(rows[-1], order(rich, order_id))


def test_a_stop_is_triggered_and_fills(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    stop = {
        "base_size": "0.1",
        "limit_price": "58000",
        "stop_price": "59000",
        "stop_direction": "STOP_DIRECTION_STOP_DOWN",
    }
    order_id = create(alice, "stop_limit_stop_limit_gtc", "SELL", **stop)
    (_, waiting) = wire.rows()
    assert (waiting["order_type"], waiting["stop_price"]) == ("Stop Limit", "59000")
    agrees(waiting, order(alice, order_id))
    assert waiting["trigger_status"] == "STOP_PENDING"
    bench.price("58900")
    triggered, filled = wire.rows()
    assert (triggered["trigger_status"], triggered["status"]) == ("STOP_TRIGGERED", "OPEN")
    assert filled["status"] == "FILLED"
    agrees(filled, order(alice, order_id))


def test_an_order_expires(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    create(
        alice, "limit_limit_gtd", base_size="0.1", limit_price="59000", end_time="2023-11-14T22:13:30Z", post_only=False
    )
    assert wire.rows()[-1]["end_time"] == "2023-11-14T22:13:30.000000Z"
    desk.pass_time(11)
    assert sums(wire.rows()) == [("EXPIRED", "0", "0")]


def test_the_snapshot_has_the_open_orders_alone(desk: Desk, alice: Client) -> None:
    waiting = create(alice, GTC, base_size="0.1", limit_price="59000")
    create(alice, MARKET, base_size="0.1")
    cancel(alice, create(alice, GTC, base_size="0.1", limit_price="58000"))
    wire = desk.connect()
    snapshot = wire.subscribe("user", key=alice)[0]
    (event,) = snapshot["events"]
    assert event.keys() == {"type", "orders", "positions"}
    assert event["type"] == "snapshot"
    (row,) = event["orders"]
    assert (row["order_id"], row.keys()) == (waiting, ROW)
    agrees(row, order(alice, waiting))


@pytest.mark.parametrize(
    ("count", "batches"), [(0, [0]), (1, [1]), (49, [49]), (50, [50, 0]), (51, [50, 1]), (120, [50, 50, 20])]
)
def test_the_first_batch_below_fifty_is_the_last(desk: Desk, alice: Client, count: int, batches: list[int]) -> None:
    placed = [create(alice, GTC, base_size="0.001", limit_price="59000") for _ in range(count)]
    answers = desk.connect().subscribe("user", key=alice)
    assert [each["channel"] for each in answers] == ["user"] * len(batches) + ["subscriptions"]
    rows = [each["events"][0]["orders"] for each in answers[:-1]]
    assert [len(each) for each in rows] == batches
    assert [row["order_id"] for batch in rows for row in batch] == placed[::-1]


def test_only_the_keys_own_portfolio_is_shown(bench: Bench, desk: Desk, alice: Client) -> None:
    other = bench.client("alice", portfolio="Bots")
    create(other, GTC, base_size="0.1", limit_price="59000")
    wire = desk.connect()
    assert wire.subscribe("user", key=alice)[0]["events"][0]["orders"] == []
    create(other, MARKET, base_size="0.1")
    create(bench.client("bob"), MARKET, base_size="0.1")
    assert wire.read() == []
    own = create(alice, MARKET, base_size="0.1")
    assert set(last_rows(wire)) == {own}


def test_another_key_on_the_same_connection_sees_its_own_portfolio_alone(
    bench: Bench, desk: Desk, alice: Client
) -> None:
    bob = bench.client("bob")
    create(alice, GTC, base_size="0.1", limit_price="59000")
    wire = desk.listen(alice)
    assert wire.subscribe("user", key=bob)[0]["events"][0]["orders"] == []
    create(alice, MARKET, base_size="0.1")
    assert wire.read() == []
    own = create(bob, MARKET, base_size="0.1")
    assert set(last_rows(wire)) == {own}


def test_only_the_products_asked_for_are_shown_and_an_alias_counts(bench: Bench, desk: Desk) -> None:
    both = bench.client("both", balances={"USD": "10000", "USDC": "10000"})
    create(both, GTC, product="ETH-USD", base_size="0.1", limit_price="1000")
    wire = desk.connect()
    assert wire.subscribe("user", "BTC-USDC", key=both)[0]["events"][0]["orders"] == []
    create(both, MARKET, product="ETH-USD", quote_size="10")
    assert wire.read() == []
    create(both, MARKET, product="BTC-USDC", quote_size="10")
    create(both, MARKET, product="BTC-USD", quote_size="10")
    rows = last_rows(wire)
    assert [row["product_id"] for row in rows.values()] == ["BTC-USD"] * 2, (
        "the channel names the product that has the book"
    )
    assert [order(both, each)["product_id"] for each in rows] == ["BTC-USDC", "BTC-USD"]
    assert len(wire.subscribe("user", "ETH-USD", key=both)[0]["events"][0]["orders"]) == 1
    wire.unsubscribe("user", "BTC-USD", key=both)
    create(both, MARKET, product="BTC-USD", quote_size="10")
    assert wire.read() == []
    create(both, MARKET, product="ETH-USD", quote_size="10")
    assert len(wire.rows()) == 2


def test_a_refused_order_has_no_row(desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    assert alice.post("orders", body(GTC, base_size="100", limit_price="59000"))["success"] is False
    assert wire.read() == []


def test_a_replayed_request_has_no_second_row(desk: Desk, alice: Client) -> None:
    request = body(MARKET, base_size="0.1")
    wire = desk.listen(alice)
    alice.post("orders", request)
    assert len(wire.rows()) == 2
    assert alice.post("orders", request)["success"] is True
    assert wire.read() == []


def test_an_order_that_fails_after_it_was_taken(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("accepted_then_failed", count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    rows = wire.rows()
    assert sums(rows) == [("PENDING", "0", "0.1"), ("FAILED", "0", "0")]
    assert rows[-1]["reject_reason"] == "HOLD_FAILURE"
    agrees(rows[-1], order(alice, order_id))


@pytest.mark.parametrize("then", ["FILLED", "FAILED"])
def test_a_pending_order_shows_no_more_than_rest_does(bench: Bench, desk: Desk, alice: Client, then: str) -> None:
    wire = desk.listen(alice)
    bench.arm("pending_for", seconds=2, count=1)
    if then == "FAILED":
        bench.arm("accepted_then_failed", count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    (pending,) = wire.rows()
    agrees(pending, order(alice, order_id))
    desk.pass_time(1.9)
    assert wire.read() == []
    desk.pass_time(0.2)
    (row,) = wire.rows()
    assert row["status"] == then
    agrees(row, order(alice, order_id))


def test_a_request_does_not_see_the_end_of_pending_before_the_stream_does(
    bench: Bench, desk: Desk, alice: Client
) -> None:
    wire = desk.listen(alice)
    bench.arm("pending_for", seconds=2, count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    wire.read()
    bench.clock.advance(2)
    assert order(alice, order_id)["status"] == "FILLED"
    assert sums(wire.rows()) == [("FILLED", "0.1", "0")]


def test_fills_come_behind_the_status_when_rest_has_them_late(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("fills_late", seconds=2, count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    rows = wire.rows()
    assert sums(rows) == [("PENDING", "0", "0.1"), ("FILLED", "0", "0")]
    agrees(rows[-1], order(alice, order_id))
    desk.pass_time(2.1)
    rows = wire.rows()
    assert sums(rows) == [("FILLED", "0.1", "0")]
    agrees(rows[-1], order(alice, order_id))


def test_an_order_that_rest_does_not_show_yet_has_no_row(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("order_invisible_for_3s", count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    late = desk.connect()
    assert late.subscribe("user", key=alice)[0]["events"][0]["orders"] == []
    assert (alice.call("GET", f"orders/historical/{order_id}").status, wire.read()) == (404, [])
    desk.pass_time(3.1)
    assert set(last_rows(late)) == {order_id}


def test_a_pending_order_in_a_snapshot_is_told_of_when_it_fills(bench: Bench, desk: Desk, alice: Client) -> None:
    bench.arm("pending_for", seconds=2, count=1)
    create(alice, MARKET, base_size="0.1")
    wire = desk.connect()
    (row,) = wire.subscribe("user", key=alice)[0]["events"][0]["orders"]
    assert (row["status"], row["cumulative_quantity"]) == ("PENDING", "0")
    desk.pass_time(2.1)
    assert sums(wire.rows()) == [("FILLED", "0.1", "0")]


def test_parts_of_an_order_under_the_fault_partial_fill(bench: Bench, desk: Desk, alice: Client) -> None:
    wire = desk.listen(alice)
    bench.arm("partial_fill", fraction=0.4, seconds=2, count=1)
    order_id = create(alice, MARKET, base_size="0.1")
    rows = wire.rows()
    assert sums(rows) == [("PENDING", "0", "0.1"), ("OPEN", "0.04", "0.06")]
    agrees(rows[-1], order(alice, order_id))
    desk.pass_time(2.1)
    assert sums(wire.rows()) == [("FILLED", "0.1", "0")]


def test_a_cancel_that_meets_a_fill(bench: Bench, desk: Desk, alice: Client) -> None:
    order_id = create(alice, GTC, base_size="0.1", limit_price="59000")
    wire = desk.listen(alice)
    bench.arm("fill_during_cancel", count=1)
    cancel(alice, order_id)
    assert sums(wire.rows()) == [("FILLED", "0.1", "0")]


def test_a_switched_portfolio_is_what_the_key_sees(bench: Bench, desk: Desk, alice: Client) -> None:
    create(alice, GTC, base_size="0.1", limit_price="59000")
    bench.arm("portfolio_switched")
    assert desk.connect().subscribe("user", key=alice)[0]["events"][0]["orders"] == []
