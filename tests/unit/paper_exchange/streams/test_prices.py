"""The public channels: prices are told when they move, candles while they form and at their end, rules when they change."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from services.paper_exchange.core.renaming import rename
from services.paper_exchange.kraken.pairs import list_pair
from tests.unit.paper_exchange.streams.stream import Row, Stream
from tests.unit.paper_exchange.venue import Venue

D = Decimal


async def test_a_ticker_is_told_at_once_and_with_each_move(venue: Venue, stream: Stream) -> None:
    (snapshot,) = stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    assert list(snapshot) == ["channel", "type", "data"]
    (row,) = snapshot["data"]
    assert list(row) == [
        "symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high", "change", "change_pct",
    ]  # fmt: skip
    assert (row["symbol"], row["bid"], row["ask"], row["last"]) == ("BTC/USD", D(59994), D(60006), D(60000))
    assert (row["bid_qty"], row["low"] <= row["last"] <= row["high"]) == (D("1.66683335"), True)
    venue.price("61000")
    venue.price("62000")
    venue.price("10", "SOL/USD")
    assert stream.heard() == [], "not in the middle of the call"
    await asyncio.sleep(0)
    (update,) = stream.heard()
    assert (update["type"], update["data"][0]["last"], update["data"][0]["high"]) == ("update", D(62000), D(62000))
    assert "sequence" not in update
    assert update["data"][0]["change"] == D(62000) - (row["last"] - row["change"])


async def test_the_figures_of_a_day_are_those_of_rest_at_each_step() -> None:
    venue = Venue(market={"speed": 1.0})
    stream = Stream(venue)
    stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    for seconds in (1, 7, 20, 45, 70, 3, 600, 1):
        venue.clock.advance(seconds)
        rest = venue.public("Ticker", pair="XBTUSD")["result"]["XXBTZUSD"]
        (row,) = await stream.rows("ticker")
        assert [row[name] for name in ("last", "low", "high", "vwap")] == [
            D(rest["c"][0]),
            *(D(rest[x][1]) for x in "lh"),
            D(rest["p"][1]).quantize(D("0.1")),  # REST has more decimals than the tick
        ]
        assert row["volume"] == pytest.approx(D(rest["v"][1]), abs=D("1e-6"))


async def test_a_ticker_of_best_prices_speaks_only_when_they_change(venue: Venue, stream: Stream) -> None:
    stream.subscribe(channel="ticker", symbol=["BTC/USD"], event_trigger="bbo", snapshot=False)
    for price in ("60000", "60000", "60001", "60001"):
        venue.price(price)
        await asyncio.sleep(0)
    assert [message["data"][0]["last"] for message in stream.heard()] == [D(60000), D(60001)]


async def test_a_moving_market_is_told_by_whatever_moves_it() -> None:
    venue = Venue(market={"speed": 1.0})
    stream = Stream(venue)
    stream.subscribe(channel="ticker", symbol=["BTC/USD"])
    venue.clock.advance(3)
    venue.exchange.catch_up()
    venue.exchange.market.advance()
    assert len(await stream.rows("ticker")) == 1
    venue.clock.advance(3)
    venue.public("Ticker", pair="XBTUSD")
    assert len(await stream.rows("ticker")) == 1
    stream.ask("unsubscribe", channel="ticker", symbol=["BTC/USD"])
    venue.clock.advance(3)
    venue.exchange.catch_up()
    venue.exchange.market.advance()
    assert await stream.rows("ticker") == []
    assert venue.exchange.market.feeds["BTC/USD"].on_move == []


def _begin(row: Row) -> str:
    return str(row["interval_begin"])


async def test_a_candle_is_told_while_it_forms_and_once_more_when_it_is_finished() -> None:
    venue = Venue(market={"speed": 1.0, "regime": "calm"})
    venue.price("60000")
    stream = Stream(venue)
    (snapshot,) = stream.subscribe(channel="ohlc", symbol=["BTC/USD"], interval=1)
    assert list(snapshot) == ["channel", "type", "timestamp", "data"]
    begins = [_begin(row) for row in snapshot["data"]]
    assert begins == sorted(begins)
    assert (len(begins), begins[-1]) == (10, "2023-11-14T22:13:00.000000000Z")
    last = snapshot["data"][-1]
    assert list(last) == [
        "symbol", "open", "high", "low", "close", "trades", "volume", "vwap", "interval_begin", "interval", "timestamp",
    ]  # fmt: skip
    assert (last["close"], last["interval"], last["timestamp"]) == (D(60000), 1, "2023-11-14T22:14:00.000000Z")

    venue.price("60100")
    (forming,) = await stream.rows("ohlc")
    assert (_begin(forming), forming["close"], forming["trades"]) == (begins[-1], D(60100), last["trades"] + 1)

    venue.clock.advance(45)
    venue.exchange.catch_up()
    venue.exchange.market.advance()
    finished, begun = await stream.rows("ohlc")
    assert (_begin(finished), _begin(begun)) == (begins[-1], "2023-11-14T22:14:00.000000000Z")
    assert finished["trades"] > forming["trades"], "what it was when it ended"
    assert begun["open"] == finished["close"]

    venue.price("60200")
    assert [_begin(row) for row in await stream.rows("ohlc")] == [_begin(begun)]


async def test_the_venues_instruments_and_what_changes_of_them(venue: Venue, stream: Stream) -> None:
    (snapshot,) = stream.subscribe(channel="instrument")
    assert (snapshot["channel"], snapshot["type"]) == ("instrument", "snapshot")
    pairs = {row["symbol"]: row for row in snapshot["data"]["pairs"]}
    assets = {row["id"]: row for row in snapshot["data"]["assets"]}
    assert pairs.keys() == venue.exchange.market.feeds.keys()
    assert {"BTC", "USD", "DOGE"} <= assets.keys(), "plain names, not XBT and ZUSD"
    assert pairs["SOL/USD"] == {
        "symbol": "SOL/USD", "base": "SOL", "quote": "USD", "status": "online", "qty_precision": 8,
        "qty_increment": D("1e-8"), "price_precision": 2, "cost_precision": 5, "marginable": False, "has_index": True,
        "cost_min": D("0.5"), "tick_size": D("0.01"), "price_increment": D("0.01"), "qty_min": D("0.06"),
    }  # fmt: skip
    assert pairs["BTC/USD"]["marginable"] is True
    stream.second()
    assert stream.heard() == [], "nothing has changed"
    venue.exchange.faults.arm("pair_halted", symbol="SOL/USD")
    stream.second()
    (update,) = stream.heard()
    assert [(row["symbol"], row["status"]) for row in update["data"]["pairs"]] == [("SOL/USD", "cancel_only")]
    assert (update["type"], update["data"]["assets"]) == ("update", [])


async def test_a_pair_with_another_name_is_told_and_its_old_ticker_ends(venue: Venue, stream: Stream) -> None:
    stream.subscribe(channel="instrument", snapshot=False)
    stream.subscribe(channel="ticker", symbol=["LINK/USD"])
    rename(venue.exchange, "LINK", "KNIL", Decimal(1), list_pair)
    await asyncio.sleep(0)
    assert stream.heard() == [], "no ticker of a name that is gone"
    stream.second()
    (update,) = stream.heard()
    rows = [(row["symbol"], row["status"]) for row in update["data"]["pairs"]]
    assert rows == [("KNIL/USD", "online"), ("LINK/USD", "delisted")]
    assert [row["id"] for row in update["data"]["assets"]] == ["KNIL"]
    assert stream.ask("subscribe", channel="ticker", symbol=["LINK/USD"])["success"] is False
    stream.connection.end()


@pytest.mark.parametrize("channel", ["ticker", "ohlc"])
async def test_a_price_without_a_snapshot_begins_with_an_update(venue: Venue, stream: Stream, channel: str) -> None:
    assert stream.subscribe(channel=channel, symbol=["BTC/USD"], snapshot=False) == []
    venue.price("61000")
    await asyncio.sleep(0)
    (message,) = stream.heard()
    assert (message["type"], len(message["data"])) == ("update", 1)
