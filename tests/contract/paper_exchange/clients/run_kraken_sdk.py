"""Drive the same account with python-kraken-sdk's Spot REST clients, unmodified except for `url`. Runs in a venv of its own.

Usage: run_kraken_sdk.py URL KEY SECRET QUERY_KEY QUERY_SECRET
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import json
import sys
from datetime import UTC, datetime, timedelta

from kraken.exceptions import KrakenInvalidAPIKeyError, KrakenInvalidOrderError, KrakenPermissionDeniedError
from kraken.spot import Market, SpotClient, Trade, User

url, key, secret, query_key, query_secret = sys.argv[1:]
SpotClient.URL = url  # for the clients that these make inside: none may look for the real venue
market, user, trade = Market(url=url), User(key, secret, url=url), Trade(key, secret, url=url)
reader = Trade(query_key, query_secret, url=url)
BTC = "XBTUSD"


def raises(error, call, **arguments):
    try:
        call(**arguments)
    except error:
        return True
    raise AssertionError(f"{call.__name__}({arguments}) raised no {error.__name__}")


assert market.get_system_status()["status"] == "online"
assert set(market.get_assets(assets=["XBT", "USD"])) == {"XXBT", "ZUSD"}
assert set(market.get_asset_pairs(pair=["DOTEUR", "BTCUSD"])) == {"DOTEUR", "XXBTZUSD"}
assert len(market.get_ticker()) > 10
assert len(market.get_ohlc(pair=BTC, interval=240)["XXBTZUSD"]) == 720
assert len(market.get_order_book(pair=BTC, count=2)["XXBTZUSD"]["asks"]) == 2
assert market.get_recent_trades(pair=BTC)["XXBTZUSD"]
assert market.get_recent_spreads(pair=BTC)["XXBTZUSD"]

assert SpotClient(key="fake", secret="fake", url=url, use_custom_exceptions=False).request(
    method="POST", uri="/0/private/AddOrder", auth=True
).json() == {"error": ["EAPI:Invalid key"]}
raises(
    KrakenInvalidAPIKeyError,
    SpotClient(key="fake", secret="fake", url=url).request,
    method="POST",
    uri="/0/private/AddOrder",
)

# A key that may only read is denied before its arguments are looked at.
denied = {
    "ordertype": "limit",
    "side": "buy",
    "pair": BTC,
    "price": 100,
    "volume": 10000000,
    "displayvol": 1000,
    "validate": True,
}
raises(KrakenPermissionDeniedError, reader.create_order, **denied)
raises(KrakenPermissionDeniedError, reader.cancel_order, txid="OB6JJR-7NZ5P-N5SKCB")
raises(
    KrakenPermissionDeniedError,
    reader.edit_order,
    txid="OHYO67-6LP66-HMQ437",
    pair=BTC,
    volume=1.25,
    price=27500,
    validate=True,
)
raises(KrakenPermissionDeniedError, reader.amend_order, txid="OHYO67-6LP66-HMQ437", extra_params={"order_qty": "1"})
raises(KrakenPermissionDeniedError, reader.cancel_order_batch, orders=["O2JLFP-VYFIW-35ZAAE"])
raises(
    KrakenPermissionDeniedError,
    reader.create_order_batch,
    pair="BTC/USD",
    validate=True,
    orders=[
        {
            "ordertype": "limit",
            "price": 140,
            "type": "buy",
            "volume": 1000,
            "close": {"ordertype": "limit", "price": 120},
        }
    ]
    * 2,
)
raises(KrakenInvalidOrderError, user.get_orders_info, txid="OXBBSK-EUGDR-TDNIEQ")
raises(KrakenInvalidOrderError, user.get_trades_info, txid=["OE3B4A-NSIEQ-5L6HW3", "O23GOI-WZDVD-XWGC3R"])
assert isinstance(user.get_open_positions(), list)
assert float(user.get_trade_balance(asset="ZUSD")["eb"]) > 0
user.get_ledgers_info(asset=["EUR", "USD"], start="1668431675.4778206")
user.get_trade_volume(pair="DOT/EUR")
assert user.get_balance("XBT")["currency"] == "XXBT"

deadline = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
real = trade.create_order(
    ordertype="limit", side="buy", pair=BTC, price=44000.04, volume=0.01, truncate=True, deadline=deadline
)
checked = trade.create_order(
    ordertype="stop-loss-limit",
    side="buy",
    pair=BTC,
    price=66000,
    price2="+1000",
    volume=0.01,
    validate=True,
    close_ordertype="take-profit-limit",
    close_price=70000,
    close_price2="#2%",
)
assert "txid" not in checked, checked
assert trade.amend_order(txid=real["txid"][0], extra_params={"limit_price": "44001"})["amend_id"]
edited = trade.edit_order(txid=real["txid"][0], pair=BTC, price=44002, volume=0.02)
assert trade.cancel_order(txid=edited["txid"])["count"] == 1
batch = trade.create_order_batch(
    pair="BTC/USD",
    orders=[
        {"ordertype": "limit", "type": "buy", "price": 41000 + i, "volume": 0.01, "timeinforce": "GTC"}
        for i in range(2)
    ],
)
assert trade.cancel_order_batch(orders=[row["txid"] for row in batch["orders"]])["count"] == 2
assert trade.cancel_all_orders_after_x(timeout=60)["triggerTime"] != "0"
assert trade.cancel_all_orders_after_x(timeout=0)["triggerTime"] == "0"

opened, closed, trades = (
    user.get_open_orders()["open"],
    user.get_closed_orders()["closed"],
    user.get_trades_history()["trades"],
)
balance = user.get_balances()
result = {
    "open": {txid: [row["descr"]["type"], float(row["vol"]), row["status"]] for txid, row in opened.items()},
    "filled": {
        txid: [float(row["vol_exec"]), float(row["price"])] for txid, row in closed.items() if row["status"] == "closed"
    },
    "trades": {
        tid: [row["ordertxid"], float(row["vol"]), float(row["price"]), float(row["fee"])]
        for tid, row in trades.items()
    },
    "balance": {
        "USD": [float(balance["ZUSD"]["balance"]), float(balance["ZUSD"]["hold_trade"])],
        "BTC": [float(balance["XXBT"]["balance"]), float(balance["XXBT"]["hold_trade"])],
    },
    "tradevolume": float(user.get_trade_volume(pair=BTC)["volume"]),
}
result["cancelled_in_the_end"] = trade.cancel_all_orders()["count"]
sys.stdout.write(json.dumps(result))
