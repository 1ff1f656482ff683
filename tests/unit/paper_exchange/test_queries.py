"""Queries: names, shapes, paging, filters, and the words for what is not there."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.paper_exchange.venue import Client, Venue


def test_balances_go_by_kraken_ids_with_each_assets_decimals(venue: Venue) -> None:
    client = venue.client("many", balances={"USD": "1.23456", "BTC": "0.1", "DOGE": "7", "SOL": "1", "XRP": "2"})
    assert client.ok("Balance") == {
        "ZUSD": "1.2345", "XXBT": "0.1000000000", "XXDG": "7.00000000", "SOL": "1.0000000000", "XXRP": "2.00000000",
    }  # fmt: skip
    assert client.ok("BalanceEx")["ZUSD"] == {"balance": "1.2345", "hold_trade": "0.0000"}


def test_the_trade_balance_is_the_equity(alice: Client) -> None:
    assert alice.ok("TradeBalance")["eb"] == "220000.0000"
    assert alice.ok("TradeBalance", asset="XBT")["eb"] == "3.6667"
    assert alice.error("TradeBalance", asset="NOPE") == "EQuery:Unknown asset"


def test_closed_orders_come_newest_first_in_pages_of_fifty(venue: Venue, alice: Client) -> None:
    ids = []
    for _ in range(60):
        venue.clock.advance(1)
        ids.append(alice.add("buy", "market", "0.0001"))
    ids.reverse()
    first, second = alice.ok("ClosedOrders"), alice.ok("ClosedOrders", ofs="50")
    assert (list(first["closed"]), list(second["closed"])) == (ids[:50], ids[50:])
    assert (first["count"], second["count"]) == (60, 60)
    assert "count" not in alice.ok("ClosedOrders", without_count="true")
    trades = alice.ok("TradesHistory", ofs="50")
    assert (len(trades["trades"]), trades["count"]) == (10, 60)
    assert [row["ordertxid"] for row in trades["trades"].values()] == ids[50:]


def test_time_bounds_are_instants_or_ids_and_the_start_is_left_out(venue: Venue, alice: Client) -> None:
    first = alice.add("buy", "market", "0.1")
    venue.clock.advance(10)
    second = alice.add("buy", "market", "0.1")
    start = venue.clock.now() - 10
    assert list(alice.ok("ClosedOrders", start=str(start))["closed"]) == [second]
    assert list(alice.ok("ClosedOrders", end=str(start))["closed"]) == [first]
    assert list(alice.ok("ClosedOrders", start=first)["closed"]) == [second]
    assert len(alice.ok("TradesHistory", start=first)["trades"]) == 1
    assert alice.error("ClosedOrders", start="yesterday") == "EGeneral:Invalid arguments:start"
    assert alice.error("ClosedOrders", closetime="never") == "EGeneral:Invalid arguments:closetime"


def test_closetime_chooses_which_time_counts(venue: Venue, alice: Client) -> None:
    txid = alice.add("buy", "limit", "0.1", price="50000")
    venue.clock.advance(100)
    middle = str(venue.clock.now() - 50)
    alice.ok("CancelOrder", txid=txid)
    assert list(alice.ok("ClosedOrders", start=middle, closetime="close")["closed"]) == [txid]
    assert list(alice.ok("ClosedOrders", start=middle, closetime="open")["closed"]) == []


def test_orders_can_be_found_by_userref_and_client_id(alice: Client) -> None:
    a = alice.add("buy", "limit", "0.1", price="50000", userref="7")
    b = alice.add("buy", "limit", "0.1", price="50000", cl_ord_id="seven")
    assert list(alice.ok("OpenOrders")["open"]) == [b, a]
    assert list(alice.ok("OpenOrders", userref="7")["open"]) == [a]
    assert list(alice.ok("OpenOrders", cl_ord_id="seven")["open"]) == [b]
    assert alice.ok("OpenOrders", cl_ord_id="eight") == {"open": {}}
    assert alice.ok("ClosedOrders", cl_ord_id="seven") == {"closed": {}, "count": 0}


def test_an_order_tells_its_trades_only_when_asked(alice: Client) -> None:
    txid = alice.add("buy", "market", "0.1")
    assert "trades" not in alice.ok("QueryOrders", txid=txid)[txid]
    (trade,) = alice.ok("QueryOrders", txid=txid, trades="true")[txid]["trades"]
    assert alice.ok("QueryTrades", txid=trade)[trade]["ordertxid"] == txid


def test_unknown_ids_are_invalid_orders(alice: Client) -> None:
    known = alice.add("buy", "market", "0.1")
    assert alice.error("QueryOrders", txid="OXBBSK-EUGDR-TDNIEQ") == "EOrder:Invalid order"
    assert alice.error("QueryOrders", txid=f"{known},OE3B4A-NSIEQ-5L6HW3") == "EOrder:Invalid order"
    assert alice.error("QueryTrades", txid="OXBBSK-EUGDR-TDNIEQ") == "EOrder:Invalid order"
    assert alice.error("OrderAmends", order_id="OXBBSK-EUGDR-TDNIEQ") == "EOrder:Invalid order"
    assert alice.error("QueryOrders") == "EGeneral:Invalid arguments:txid"
    assert alice.error("QueryOrders", txid=",".join([known] * 51)) == "EGeneral:Invalid arguments:txid"


def test_open_positions_are_an_empty_list(alice: Client) -> None:
    assert alice.ok("OpenPositions") == []


def test_the_ledger_adds_up_to_the_balance(alice: Client) -> None:
    alice.add("buy", "market", "0.5")
    alice.add("sell", "market", "0.2")
    ledger = alice.ok("Ledgers")
    assert ledger["count"] == 6
    rows = [row for row in ledger["ledger"].values() if row["asset"] == "XXBT"]
    assert sum(Decimal(row["amount"]) - Decimal(row["fee"]) for row in rows) == alice.balance("XXBT")
    assert rows[0]["balance"] == alice.ok("Balance")["XXBT"]
    assert set(alice.ok("Ledgers", type="trade", asset="XBT")["ledger"]) <= set(ledger["ledger"])
    assert alice.ok("Ledgers", asset="EUR,USD", start="1600000000.5")["count"] == 3
    name = next(iter(ledger["ledger"]))
    assert alice.ok("QueryLedgers", id=f"{name},LNYQGU-SUR5U-UXTOWM") == {name: ledger["ledger"][name]}
    assert alice.error("Ledgers", asset="NOPE") == "EQuery:Unknown asset"


def test_a_trade_names_its_ledger_entries(alice: Client) -> None:
    alice.add("buy", "market", "0.5")
    (trade,) = alice.ok("TradesHistory", ledgers="true")["trades"].values()
    assert set(trade["ledgers"]) <= set(alice.ok("Ledgers")["ledger"])
    assert alice.ok("TradesHistory", type="closed position") == {"trades": {}, "count": 0}


def test_a_web_socket_token_is_good_for_fifteen_minutes(alice: Client) -> None:
    token = alice.ok("GetWebSocketsToken")
    assert token["expires"] == 900
    assert len(token["token"]) > 20


def test_the_public_clock_is_the_wall_clock(venue: Venue) -> None:
    assert venue.public("Time")["result"] == {"unixtime": 1700000000, "rfc1123": "Tue, 14 Nov 23 22:13:20 +0000"}
    assert venue.public("SystemStatus")["result"] == {"status": "online", "timestamp": "2023-11-14T22:13:20Z"}


def test_assets_and_pairs_carry_krakens_names_and_steps(venue: Venue) -> None:
    assets = venue.public("Assets", asset="XBT,USD")["result"]
    assert {name: (row["altname"], row["decimals"]) for name, row in assets.items()} == {
        "XXBT": ("XBT", 10),
        "ZUSD": ("USD", 4),
    }
    pair = venue.public("AssetPairs", pair="BTCUSD")["result"]["XXBTZUSD"]
    assert (pair["altname"], pair["wsname"], pair["base"], pair["quote"]) == ("XBTUSD", "XBT/USD", "XXBT", "ZUSD")
    assert (pair["pair_decimals"], pair["lot_decimals"], pair["cost_decimals"]) == (1, 8, 5)
    assert (pair["ordermin"], pair["costmin"], pair["tick_size"], pair["status"]) == ("0.00005", "0.5", "0.1", "online")
    assert (pair["fees"], pair["fees_maker"]) == ([], [])
    assert set(venue.public("AssetPairs", pair="DOTUSD", info="margin")["result"]["DOTUSD"]) == {
        "margin_call",
        "margin_stop",
    }
    assert {"XXBTZUSD", "XDGUSD", "SOLUSD", "XXLMZUSD"} <= set(venue.public("AssetPairs")["result"])


@pytest.mark.parametrize(
    ("method", "parameters", "error"),
    [
        ("Assets", {"asset": "NOPE"}, "EQuery:Unknown asset"),
        ("AssetPairs", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("AssetPairs", {"info": "gossip"}, "EGeneral:Invalid arguments:info"),
        ("Ticker", {"pair": "XBT/USD"}, "EQuery:Unknown asset pair"),
        ("OHLC", {}, "EGeneral:Invalid arguments"),
        ("OHLC", {"pair": "XBTUSD", "interval": "7"}, "EGeneral:Invalid arguments:interval"),
        ("OHLC", {"pair": "XBTUSD", "since": "noon"}, "EGeneral:Invalid arguments:since"),
        ("Depth", {"pair": "XBTUSD", "count": "501"}, "EGeneral:Invalid arguments:count"),
        ("Trades", {"pair": "XBTUSD", "count": "0"}, "EGeneral:Invalid arguments:count"),
    ],
)
def test_bad_public_questions_get_the_venues_words(
    venue: Venue, method: str, parameters: dict[str, str], error: str
) -> None:
    assert venue.public(method, **parameters) == {"error": [error]}


def test_market_data_repeats_a_name_with_a_slash_and_otherwise_gives_the_id(venue: Venue) -> None:
    for method in ("OHLC", "Depth", "Trades", "Spread", "Ticker"):
        for asked, key in (("XBTUSD", "XXBTZUSD"), ("XXBTZUSD", "XXBTZUSD"), ("BTC/USD", "BTC/USD")):
            result = venue.public(method, pair=asked)["result"]
            assert [name for name in result if name != "last"] == [key]


def test_an_account_trades_in_euro_as_well(venue: Venue) -> None:
    client = venue.client("euro", balances={"EUR": "1000"})
    venue.price("50000", "BTC/EUR")
    client.add("buy", "market", "0.01", pair="XBTEUR")
    assert client.balance("ZEUR") < 500
    assert set(client.ok("TradeVolume", pair="DOT/EUR")["fees"]) == {"DOTEUR"}
