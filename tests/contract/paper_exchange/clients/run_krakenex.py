"""Read the same account with krakenex, unmodified except for `uri`. Runs in a venv of its own.

Usage: run_krakenex.py URL KEY SECRET. Its nonce is the clock in ms, so it waits a moment between two calls.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import json
import sys
import time

import krakenex

url, key, secret = sys.argv[1:]
api = krakenex.API(key, secret)
api.uri = url
api.session.trust_env = False


def call(method, **data):
    time.sleep(0.003)
    answer = api.query_private(method, data, timeout=10)
    assert answer["error"] == [], (method, answer)
    return answer["result"]


def public(method, **data):
    answer = api.query_public(method, data, timeout=10)
    assert answer["error"] == [], (method, answer)
    return answer["result"]


for method in ("Time", "SystemStatus", "Assets", "AssetPairs", "Ticker"):
    public(method)
for method in ("OHLC", "Depth", "Trades", "Spread"):
    public(method, pair="XBTUSD")

placed = call(
    "AddOrder", pair="XBTUSD", type="buy", ordertype="limit", price="45000", volume="0.01", cl_ord_id="krakenex-1"
)
assert call("AmendOrder", cl_ord_id="krakenex-1", limit_price="45001")["amend_id"]
edited = call("AddOrder", pair="XBTUSD", type="buy", ordertype="limit", price="45000", volume="0.01", userref="5")[
    "txid"
][0]
edited = call("EditOrder", txid=edited, pair="XBTUSD", price="45002")["txid"]
assert call("CancelOrder", txid=edited) == {"count": 1, "pending": False}
assert call("CancelOrder", cl_ord_id="krakenex-1")["count"] == 1
assert list(call("ClosedOrders", cl_ord_id="krakenex-1")["closed"]) == placed["txid"]

opened, closed, trades = call("OpenOrders")["open"], call("ClosedOrders")["closed"], call("TradesHistory")["trades"]
balance = call("BalanceEx")
result = {
    "open": {txid: [row["descr"]["type"], float(row["vol"]), row["status"]] for txid, row in opened.items()},
    "filled": {
        txid: [float(row["vol_exec"]), float(row["price"])] for txid, row in closed.items() if row["status"] == "closed"
    },
    "cancelled": [txid for txid, row in closed.items() if row["status"] == "canceled"],
    "trades": {
        tid: [row["ordertxid"], float(row["vol"]), float(row["price"]), float(row["fee"])]
        for tid, row in trades.items()
    },
    "balance": {
        "USD": [float(balance["ZUSD"]["balance"]), float(balance["ZUSD"]["hold_trade"])],
        "BTC": [float(balance["XXBT"]["balance"]), float(balance["XXBT"]["hold_trade"])],
    },
    "tradevolume": float(call("TradeVolume", pair="XBTUSD")["volume"]),
}
sys.stdout.write(json.dumps(result))
