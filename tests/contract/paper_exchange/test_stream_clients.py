"""Stream clients that others wrote for the real Kraken, unmodified except for their URLs, each in its own venv."""

from __future__ import annotations

import pytest

from tests.contract.paper_exchange.conftest import Start
from tests.contract.paper_exchange.test_clients_of_others import CCXT, SDK, drive, python_with

FEE = 0.1 * 60006 * 0.004


@pytest.mark.timeout(900)
def test_ccxt_watches_orders_trades_balances_and_prices(start: Start) -> None:
    paper = start()
    paper.price("60000")
    key = paper.account("watcher", tier="unlimited")
    seen = drive(python_with(*CCXT), "run_ccxt_streams.py", paper.url, key["api_key"], key["api_secret"])

    assert (seen["first"], seen["moved"], seen["candle"]) == ([59994, 60006, 60000], 61000, 60000)
    assert seen["balance"] == {"USD": 100000, "BTC": 2}
    assert seen["order"] == [True, "buy", 0.2, 50000, "open"]
    assert seen["trade"] == [True, "buy", 0.1, 60006, {"cost": pytest.approx(FEE), "currency": "USD"}]
    assert seen["same_trade"] == [True, True, True]
    verdicts = {row["verdict"] for row in paper.get("requests", api_key=key["api_key"])}
    assert verdicts == {"ok"}


@pytest.mark.timeout(900)
def test_python_kraken_sdk_streams_and_comes_back_after_a_close(start: Start) -> None:
    paper = start()
    paper.price("60000")
    key = paper.account("streamer", tier="intermediate")
    seen = drive(python_with(*SDK), "run_kraken_sdk_streams.py", paper.url, key["api_key"], key["api_secret"])

    ticker, ohlc, instrument, executions, balances = seen["acknowledged"]
    assert ticker == {"channel": "ticker", "event_trigger": "trades", "snapshot": True, "symbol": "BTC/USD"}
    assert (ohlc["interval"], instrument["channel"]) == (5, "instrument")
    assert (executions["maxratecount"], executions["snap_trades"], balances["snapshot"]) == (125, True, True)
    assert seen["pong"] == "pong"
    assert seen["filled"] == [True, 7, 0.1, 60006]
    assert seen["fills"] == [[0.1, 60006, [{"asset": "USD", "qty": pytest.approx(FEE)}]]]
    assert seen["booked"] == [["trade", "BTC", 0.1], ["trade", "USD", pytest.approx(-6000.6)]]
    assert seen["in_order"]
    assert seen["unsubscribed"] == [None, "Subscription Not Found"]
    assert seen["known"] == ["balances", "executions", "instrument", "ohlc"]
    assert (seen["restored"], seen["refused"]) == (["balances", "executions"], [])
    connects = {row["api_key"]: row["count"] for row in paper.get("streams")["connects"]}
    assert connects[key["api_key"]] == 2
    tokens = [row for row in paper.get("requests", api_key=key["api_key"]) if row["method"] == "GetWebSocketsToken"]
    assert len(tokens) == 2, "one for each connection"
