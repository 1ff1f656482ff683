"""The channel `executions`: the first row of an order carries all of it, later ones what changed, in the order of events."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from services.paper_exchange.core.market.market import Depth
from tests.unit.paper_exchange.streams.stream import Row, Stream
from tests.unit.paper_exchange.venue import Client, Venue

AT = "2023-11-14T22:13:20.000000Z"
D = Decimal


def _types(rows: list[Row]) -> list[str]:
    return [row["exec_type"] for row in rows]


async def test_a_resting_order_from_placing_to_its_cancel(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    txid = alice.add("buy", "limit", "0.5", price="50000", cl_ord_id="mine", oflags="post")
    venue.clock.advance(1)
    alice.ok("AmendOrder", txid=txid, limit_price="51000", order_qty="0.4")
    venue.clock.advance(1)
    alice.ok("CancelOrder", txid=txid)
    placed, entered, amended, canceled = await stream.rows()
    assert placed == {
        "order_id": txid, "symbol": "BTC/USD", "order_qty": D("0.5"), "cum_cost": D(0), "time_in_force": "GTC",
        "exec_type": "pending_new", "side": "buy", "order_type": "limit", "cl_ord_id": "mine",
        "limit_price_type": "static", "limit_price": D(50000), "stop_price": D(0), "post_only": True,
        "order_status": "pending_new", "fee_usd_equiv": D(0), "fee_ccy_pref": "fciq", "timestamp": AT,
    }  # fmt: skip
    assert entered == {
        "timestamp": AT, "order_status": "new", "exec_type": "new", "cl_ord_id": "mine", "post_only": True,
        "order_id": txid,
    }  # fmt: skip
    assert amended == {
        "timestamp": "2023-11-14T22:13:21.000000Z", "exec_type": "amended", "order_status": "new", "cum_qty": D(0),
        "reason": "User requested", "amended": True, "order_qty": D("0.4"), "limit_price": D(51000),
        "limit_price_type": "static", "cl_ord_id": "mine", "order_id": txid,
    }  # fmt: skip
    assert canceled == {
        "timestamp": "2023-11-14T22:13:22.000000Z", "order_status": "canceled", "exec_type": "canceled",
        "cum_qty": D(0), "cum_cost": D(0), "fee_usd_equiv": D(0), "avg_price": D(0), "cl_ord_id": "mine",
        "post_only": True, "cancel_reason": "User requested", "reason": "User requested", "order_id": txid,
    }  # fmt: skip


async def test_a_fill_has_the_figures_of_rest(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    txid = alice.add("sell", "market", "0.5")
    placed, entered, trade, filled = await stream.rows()
    assert (placed["order_userref"], entered["order_userref"], "limit_price" in placed) == (0, 0, False)
    ((trade_id, rest),) = alice.ok("TradesHistory")["trades"].items()
    assert trade == {
        "order_id": txid, "order_userref": 0, "exec_id": trade_id, "exec_type": "trade", "trade_id": rest["trade_id"],
        "symbol": "BTC/USD", "side": "sell", "last_qty": D("0.5"), "last_price": D(59994), "liquidity_ind": "t",
        "cost": D(rest["cost"]), "order_status": "filled", "order_type": "market", "timestamp": AT,
        "fee_usd_equiv": D(rest["fee"]), "fees": [{"asset": "USD", "qty": D(rest["fee"])}],
    }  # fmt: skip
    assert filled == {
        "timestamp": AT, "order_status": "filled", "exec_type": "filled", "cum_qty": D("0.5"), "cum_cost": D(29997),
        "fee_usd_equiv": D(rest["fee"]), "avg_price": D(59994), "order_userref": 0, "order_id": txid,
    }  # fmt: skip


async def test_several_fills_of_one_order_are_rows_of_one_message(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    stream.context.exchange.market._depth = Depth(value=10_000)
    alice.add("buy", "market", "0.5")
    await asyncio.sleep(0)
    messages = stream.heard()
    assert [message["sequence"] for message in messages] == [2, 3, 4, 5]
    trades = messages[2]["data"]
    assert len(trades) == 3
    assert [row["order_status"] for row in trades] == ["partially_filled", "partially_filled", "filled"]
    assert len({row["exec_id"] for row in trades}) == 3
    assert sum(row["last_qty"] for row in trades) == messages[3]["data"][0]["cum_qty"] == D("0.5")
    assert sum(row["cost"] for row in trades) == messages[3]["data"][0]["cum_cost"]


async def test_a_partial_fill_is_told_without_waiting_for_the_rest(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    venue.exchange.faults.arm("partial_fill", count=1, seconds=10, fraction=0.4)
    txid = alice.add("buy", "limit", "0.5", price="60010")
    rows = await stream.rows()
    assert _types(rows) == ["pending_new", "new", "trade"]
    assert (rows[2]["order_status"], rows[2]["last_qty"]) == ("partially_filled", D("0.2"))
    (snapshot,) = Stream(venue).subscribe(alice, channel="executions")
    (whole,) = snapshot["data"]
    assert (whole["order_id"], whole["exec_type"], whole["order_status"]) == (txid, "new", "partially_filled")
    assert (whole["cum_qty"], whole["avg_price"], whole["symbol"]) == (D("0.2"), D(60006), "BTC/USD")
    venue.clock.advance(10)
    venue.exchange.catch_up()
    assert _types(await stream.rows()) == ["trade", "filled"]


async def test_a_stop_is_told_before_and_when_it_is_reached(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("sell", "stop-loss", "0.5", price="58000")
    venue.price("57000")
    placed, _, triggered, trade, filled = await stream.rows()
    trigger = {"price": D(58000), "price_type": "static", "reference": "last", "status": "untriggered"}
    assert (placed["triggers"], placed["stop_price"], placed["trigger"]) == (trigger, D(58000), "last")
    assert (triggered["exec_type"], triggered["order_status"]) == ("status", "triggered")
    assert triggered["triggers"]["status"] == "triggered"
    assert "symbol" not in triggered
    assert (trade["exec_type"], filled["exec_type"]) == ("trade", "filled")


async def test_a_trailing_stop_tells_its_distance_and_where_it_is(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("sell", "trailing-stop", "0.5", price="+1000")
    triggers = (await stream.rows())[0]["triggers"]
    assert (triggers["price"], triggers["price_type"], triggers["actual_price"]) == (D(1000), "quote", D(59000))


@pytest.mark.parametrize(
    ("order", "ending", "reason"),
    [
        ({"timeinforce": "IOC"}, "canceled", "Immediate or cancel order not filled"),
        ({"timeinforce": "GTD", "expiretm": "+60"}, "expired", "Order expired"),
    ],
)
async def test_an_order_that_ends_by_itself_says_why(
    venue: Venue, stream: Stream, alice: Client, order: dict[str, Any], ending: str, reason: str
) -> None:
    stream.watch(alice)
    alice.add("buy", "limit", "0.5", price="50000", **order)
    venue.clock.advance(61)
    venue.exchange.catch_up()
    rows = await stream.rows()
    assert _types(rows) == ["pending_new", "new", ending]
    assert (rows[0]["time_in_force"], rows[2]["order_status"], rows[2]["reason"]) == (
        order["timeinforce"], ending, reason,
    )  # fmt: skip
    assert ("expire_time" in rows[0]) == ("expiretm" in order)


async def test_the_dead_mans_switch_has_the_venues_words(venue: Venue, stream: Stream, alice: Client) -> None:
    alice.add("buy", "limit", "0.5", price="50000")
    alice.ok("CancelAllOrdersAfter", timeout=5)
    stream.watch(alice)
    venue.clock.advance(6)
    venue.exchange.catch_up()
    assert [row["reason"] for row in await stream.rows()] == ["CancelAllOrdersAfter Timeout"]


async def test_an_order_for_later_is_pending_until_it_starts(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("buy", "limit", "0.5", price="50000", starttm="+60")
    (placed,) = await stream.rows()
    assert (placed["exec_type"], placed["effective_time"]) == ("pending_new", "2023-11-14T22:14:20.000000Z")
    (snapshot,) = Stream(venue).subscribe(alice, channel="executions")
    assert _types(snapshot["data"]) == ["pending_new"]
    venue.clock.advance(61)
    venue.exchange.catch_up()
    (entered,) = await stream.rows()
    assert (entered["exec_type"], entered["timestamp"]) == ("new", "2023-11-14T22:14:20.000000Z")


async def test_a_size_in_quote_is_told_as_cash(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("buy", "market", "600", oflags="viqc")
    placed = (await stream.rows())[0]
    assert (placed["cash_order_qty"], placed["order_qty"]) == (D(600), D("0.009999"))


async def test_a_fee_in_base_is_told_in_base(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    alice.add("buy", "market", "0.5", oflags="fcib")
    placed, _, trade, filled = await stream.rows()
    assert (placed["fee_ccy_pref"], trade["fees"]) == ("fcib", [{"asset": "BTC", "qty": D("0.002")}])
    assert trade["fee_usd_equiv"] == filled["fee_usd_equiv"] == D(120)


async def test_the_snapshot_has_what_was_asked_for(venue: Venue, alice: Client) -> None:
    resting = [alice.add("buy", "limit", "0.1", price=f"{50000 + number}") for number in range(3)]
    for _ in range(52):
        alice.add("buy", "market", "0.001")
    trades = [row["trade_id"] for row in alice.ok("TradesHistory")["trades"].values()]
    wanted: list[tuple[dict[str, bool], int, int]] = [
        ({}, 3, 0), ({"snap_trades": True}, 3, 50), ({"snap_trades": True, "snap_orders": False}, 0, 50),
        ({"snapshot_trades": True}, 0, 50), ({"snapshot": False, "snap_trades": True}, 0, 50),
    ]  # fmt: skip
    for params, orders, fills in wanted:
        (message,) = Stream(venue).subscribe(alice, channel="executions", **params)
        assert (message["channel"], message["type"], message["sequence"]) == ("executions", "snapshot", 1)
        assert _types(message["data"]) == ["new"] * orders + ["trade"] * fills
        assert [row["order_id"] for row in message["data"][:orders]] == resting[:orders]
        assert [row["trade_id"] for row in message["data"][orders:]] == trades[:fills], "newest first, as on record"
        assert all({"symbol", "side", "order_type"} <= row.keys() for row in message["data"])
    assert Stream(venue).subscribe(alice, channel="executions", snap_orders=False) == []
    (empty,) = Stream(venue).subscribe(venue.client("bob"), channel="executions")
    assert empty == {"channel": "executions", "type": "snapshot", "data": [], "sequence": 1}


async def test_only_openings_and_endings_are_told_where_no_status_is_asked_for(
    venue: Venue, stream: Stream, alice: Client
) -> None:
    stream.watch(alice, order_status=False)
    txid = alice.add("buy", "limit", "0.1", price="50000")
    alice.ok("AmendOrder", txid=txid, limit_price="51000")
    alice.ok("CancelOrder", txid=txid)
    alice.add("buy", "market", "0.1")
    rows = await stream.rows()
    assert _types(rows) == ["new", "canceled", "new", "filled"]
    assert rows[0]["symbol"] == rows[2]["symbol"] == "BTC/USD", "the first row that is seen carries the order"


async def test_the_counter_is_told_where_it_is_asked_for(venue: Venue, stream: Stream) -> None:
    carol = venue.client("carol", tier="intermediate")
    stream.watch(carol, ratecounter=True)
    txid = carol.add("buy", "limit", "0.1", price="50000")
    carol.ok("CancelOrder", txid=txid)
    assert [row["ratecount"] for row in await stream.rows()] == [1, 1, 9]
    other = Stream(venue)
    other.watch(carol)
    carol.add("buy", "limit", "0.1", price="50000")
    assert not [row for row in await other.rows() if "ratecount" in row]


async def test_others_hear_nothing_and_two_connections_both_hear(venue: Venue, stream: Stream, alice: Client) -> None:
    second, others = Stream(venue), Stream(venue)
    stream.watch(alice)
    second.watch(alice)
    others.watch(venue.client("bob"))
    alice.add("buy", "market", "0.1")
    assert await stream.rows() == await second.rows() != []
    assert await others.rows() == []


async def test_one_sequence_counts_the_private_messages_of_a_connection(stream: Stream, alice: Client) -> None:
    stream.heard()
    first = stream.subscribe(alice, channel="executions")
    second = stream.subscribe(alice, channel="balances")
    stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    alice.add("buy", "market", "0.1")
    await asyncio.sleep(0)
    numbered = [*first, *second, *(each for each in stream.heard() if "sequence" in each)]
    assert [each["sequence"] for each in numbered] == list(range(1, len(numbered) + 1))
    assert {each["channel"] for each in numbered} == {"executions", "balances"}


async def test_what_the_market_does_is_told_as_it_happens(venue: Venue, stream: Stream, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.1", price="59000")
    stream.watch(alice)
    venue.price("58990")
    trade, filled = await stream.rows()
    assert (trade["order_id"], trade["liquidity_ind"], trade["last_price"]) == (txid, "m", D(59000))
    assert filled["order_status"] == "filled"


async def test_nothing_is_told_after_the_connection_has_ended(stream: Stream, alice: Client) -> None:
    stream.watch(alice)
    stream.connection.end()
    alice.add("buy", "market", "0.1")
    assert await stream.rows() == []
    assert stream.context.exchange.accounts["alice", "kraken"].listeners == []
