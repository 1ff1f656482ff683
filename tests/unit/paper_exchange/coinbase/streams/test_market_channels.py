"""Heartbeats and the public channels: what they show, when, and under which name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.unit.paper_exchange.coinbase.bench import Bench
from tests.unit.paper_exchange.coinbase.streams.wire import Desk

TICKER = {
    "type", "product_id", "price", "volume_24_h", "low_24_h", "high_24_h", "low_52_w", "high_52_w", "price_percent_chg_24_h",
    "best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity",
}  # fmt: skip
QUOTES = {"best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity"}


def one(events: Any, content: str) -> Any:
    """Return the one row of the one event."""
    (event,) = events
    (row,) = event[content]
    return row


def test_heartbeats_count_the_seconds(desk: Desk) -> None:
    wire = desk.connect()
    wire.subscribe("heartbeats")
    desk.pass_time(5)
    events = list(wire.events("heartbeats"))
    counters = [event["heartbeat_counter"] for event in events]
    assert len(counters) == 5
    assert counters == list(range(counters[0], counters[0] + 5))
    assert events[0]["current_time"].startswith("2023-11-14 22:13:21.000000 +0000 UTC m=+")


def test_a_second_subscription_to_heartbeats_does_not_double_them(desk: Desk) -> None:
    wire = desk.connect()
    wire.subscribe("heartbeats")
    wire.subscribe("heartbeats")
    desk.pass_time(3)
    assert len(list(wire.events("heartbeats"))) == 3
    wire.unsubscribe("heartbeats")
    wire.subscribe("heartbeats")
    desk.pass_time(3)
    assert len(list(wire.events("heartbeats"))) == 3


def test_a_ticker_comes_in_the_moment_in_which_the_price_moves(desk: Desk) -> None:
    wire = desk.connect()
    snapshot, ack = wire.subscribe("ticker", "BTC-USD")
    row = one(snapshot["events"], "tickers")
    assert (snapshot["events"][0]["type"], ack["channel"], row.keys()) == ("snapshot", "subscriptions", TICKER)
    assert (row["type"], row["price"], row["best_bid"], row["best_ask"]) == ("ticker", "60000", "59994", "60006")
    desk.bench.price("61000")
    (message,) = wire.read()
    assert message["events"][0]["type"] == "update"
    row = one(message["events"], "tickers")
    assert (row["price"], row["best_bid"], row["best_ask"]) == ("61000", "60993.9", "61006.1")
    shown = desk.bench.public("market/products/BTC-USD/ticker", limit=1).json
    assert (shown["best_bid"], shown["best_ask"]) == (row["best_bid"], row["best_ask"])
    assert Decimal(row["low_24_h"]) <= 60000 < Decimal(row["high_24_h"]) >= 61000
    assert Decimal(row["low_52_w"]) <= Decimal(row["low_24_h"])
    desk.bench.price("3100", "ETH/USD")
    assert wire.read() == []


def test_the_public_channels_name_the_product_that_has_the_book(desk: Desk) -> None:
    wire = desk.connect()
    snapshot, ack = wire.subscribe("ticker", "BTC-USDC")
    assert one(snapshot["events"], "tickers")["product_id"] == "BTC-USD"
    assert ack["events"] == [{"subscriptions": {"ticker": ["BTC-USD"]}}]
    desk.bench.price("61000")
    assert one(wire.events("ticker"), "tickers")["product_id"] == "BTC-USD"
    assert len(wire.subscribe("ticker", "BTC-USD")[0]["events"][0]["tickers"]) == 1
    desk.bench.price("62000")
    assert len(wire.read()) == 1, "it was subscribed to already"


def test_no_products_are_all_of_them(desk: Desk) -> None:
    snapshot = desk.connect().subscribe("ticker")[0]
    names = [row["product_id"] for row in snapshot["events"][0]["tickers"]]
    assert {"BTC-USD", "ETH-USD"} <= set(names)
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("-USDC")]


def test_the_ticker_batch_comes_every_five_seconds_without_quotes(desk: Desk) -> None:
    wire = desk.connect()
    snapshot = wire.subscribe("ticker_batch", "BTC-USD", "ETH-USD")[0]
    assert [row.keys() for row in snapshot["events"][0]["tickers"]] == [TICKER - QUOTES] * 2
    desk.bench.price("61000")
    desk.bench.price("62000")
    desk.pass_time(4.5)
    assert wire.read() == []
    desk.pass_time(1)
    row = one(wire.events("ticker_batch"), "tickers")
    assert (row["product_id"], row["price"]) == ("BTC-USD", "62000")
    desk.pass_time(20)
    assert wire.read() == [], "nothing has moved"


def test_candles_are_of_five_minutes_and_come_every_second() -> None:
    desk = Desk(Bench(market={"speed": 1, "pairs": ["BTC/USD"]}))
    wire = desk.connect()
    snapshot = wire.subscribe("candles", "BTC-USD")[0]
    rows = snapshot["events"][0]["candles"]
    assert rows[0].keys() == {"start", "high", "low", "open", "close", "volume", "product_id"}
    starts = [int(row["start"]) for row in rows]
    assert starts == [starts[0] - 300 * back for back in range(len(starts))]
    assert (starts[0], len(starts)) == (1_700_000_000 // 300 * 300, 100)
    desk.pass_time(3)
    events = list(wire.events("candles"))
    assert [(event["type"], [row["start"] for row in event["candles"]]) for event in events] == [
        ("update", [rows[0]["start"]])
    ] * 3
    now = int(desk.bench.clock.now())
    listed = desk.bench.public(
        "market/products/BTC-USD/candles", start=starts[0], end=now, granularity="FIVE_MINUTE"
    ).json["candles"][0]
    (last,) = events[-1]["candles"]
    assert last == listed | {"product_id": "BTC-USD"}


def test_a_finished_candle_comes_once_more_with_the_first_of_the_next() -> None:
    desk = Desk(Bench(market={"speed": 1, "pairs": ["BTC/USD"]}))
    wire = desk.connect()
    first = int(wire.subscribe("candles", "BTC-USD")[0]["events"][0]["candles"][0]["start"])
    desk.pass_time(first + 299 - desk.bench.clock.now())
    wire.read()
    desk.pass_time(3)
    starts = [[int(row["start"]) for row in event["candles"]] for event in wire.events("candles")]
    assert [first + 300, first] in starts
    assert starts[-1] == [first + 300]
    listed = desk.bench.public(
        "market/products/BTC-USD/candles", start=first, end=first + 1, granularity="FIVE_MINUTE"
    ).json["candles"]
    assert len(listed) == 1


def test_a_frozen_market_sends_no_candles(desk: Desk) -> None:
    wire = desk.connect()
    wire.subscribe("candles", "BTC-USD")
    desk.pass_time(10)
    assert wire.read() == []


def test_the_status_of_products_comes_on_an_interval(desk: Desk) -> None:
    wire = desk.connect()
    row = one(wire.subscribe("status", "BTC-USD")[0]["events"], "products")
    assert row == {
        "product_type": "SPOT", "id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD",
        "base_increment": "0.00000001", "quote_increment": "0.01", "display_name": "BTC/USD", "status": "online",
        "status_message": "", "min_market_funds": "1",
    }  # fmt: skip
    desk.bench.arm("product_offline")
    desk.pass_time(5)
    assert one(wire.events("status"), "products")["status"] == "offline"


def test_a_renamed_product_is_left_out(desk: Desk) -> None:
    from services.paper_exchange.app import list_market  # noqa: PLC0415
    from services.paper_exchange.core.renaming import rename  # noqa: PLC0415

    wire = desk.connect()
    for channel in ("ticker", "ticker_batch", "candles", "status"):
        wire.subscribe(channel, "DOT-USD")
    rename(desk.bench.kraken, "DOT", "DOTX", Decimal(10), list_market)
    wire.read()
    desk.pass_time(6)
    assert [row for event in wire.events("status") for row in event["products"]] == []
    assert wire.unsubscribe("ticker")[-1]["channel"] == "subscriptions"
