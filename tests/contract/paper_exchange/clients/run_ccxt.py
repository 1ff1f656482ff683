"""Drive the paper exchange with ccxt's kraken client, unmodified except for its URLs. Runs in a venv of its own.

Usage: run_ccxt.py URL KEY SECRET. Prints one JSON object: what each call made and what ccxt then reads back.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import json
import sys

import ccxt

url, key, secret = sys.argv[1:]
exchange = ccxt.kraken({"apiKey": key, "secret": secret, "enableRateLimit": False})
exchange.urls["api"] = {"public": url, "private": url, "zendesk": url}
exchange.session.trust_env = False
BTC = "BTC/USD"


def order(kind, side, amount, price=None, **params):
    return exchange.create_order(BTC, kind, side, amount, price, params)["id"]


markets = exchange.load_markets()
ticker = exchange.fetch_ticker(BTC)
assert ticker["bid"] < ticker["last"] < ticker["ask"], ticker
assert len(exchange.fetch_ohlcv(BTC, "1m")) == 720
assert len(exchange.fetch_order_book(BTC, 10)["asks"]) == 10
assert exchange.fetch_trades(BTC)
assert exchange.fetch_time() > 0
assert exchange.fetch_status()["status"] == "ok"
assert exchange.fetch_trading_fee(BTC)["taker"] == 0.004
assert exchange.fetch_balance()["USD"]["total"] == 100000

done = {
    "market": order("market", "buy", 0.1),
    "market_cost": exchange.create_market_buy_order_with_cost(BTC, 600.06)["id"],
    "ioc": order("limit", "buy", 0.1, 60006, timeInForce="IOC"),
}
waiting = {
    "limit": order("limit", "buy", 0.1, 50000),
    "post_only": order("limit", "buy", 0.1, 51000, postOnly=True),
    "gtd": order("limit", "buy", 0.1, 50500, timeInForce="GTD", expiretm="+600"),
    "client_id": order("limit", "buy", 0.1, 50001, clientOrderId="ccxt-1"),
    "stop_loss": order("market", "sell", 0.1, stopLossPrice=55000),
    "stop_loss_limit": order("limit", "sell", 0.1, 54900, stopLossPrice=55000),
    "take_profit": order("market", "sell", 0.1, takeProfitPrice=70000),
    "take_profit_limit": order("limit", "sell", 0.1, 70100, takeProfitPrice=70000),
    "trailing": order("market", "sell", 0.1, trailingAmount="1000"),
    "trailing_percent": order("market", "sell", 0.1, trailingPercent="5"),
    "trailing_limit": order("limit", "sell", 0.1, trailingAmount="1000", trailingLimitAmount="50", offset="-"),
}
refused = {}
for name, failing in {
    "funds": lambda: order("market", "buy", 1000),
    "minimum": lambda: order("limit", "buy", 0.00001, 50000),
    "post_only": lambda: order("limit", "buy", 0.1, 60010, postOnly=True),
    "cancel": lambda: exchange.cancel_order("OB6JJR-7NZ5P-N5SKCB"),
    "symbol": lambda: exchange.publicGetTicker({"pair": "NOPE"}),
}.items():
    try:
        failing()
    except ccxt.BaseError as error:
        refused[name] = type(error).__name__

exchange.edit_order(waiting["limit"], BTC, "limit", "buy", 0.2, 49000)
amended = exchange.fetch_order(waiting["limit"])
exchange.cancel_order(waiting["post_only"])
exchange.cancel_order(None, None, {"clientOrderId": "ccxt-1"})
exchange.cancel_orders([waiting["gtd"]])
batch = exchange.create_orders(
    [
        {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": 40000 + i, "params": {}}
        for i in range(3)
    ]
)
exchange.cancel_all_orders_after(60000)
exchange.cancel_all_orders_after(0)

balance = exchange.fetch_balance()
result = {
    "version": ccxt.__version__,
    "markets": sorted(markets),
    "done": done,
    "waiting": waiting,
    "batch": [row["id"] for row in batch],
    "refused": refused,
    "amended": [amended["amount"], amended["price"]],
    "open": {row["id"]: [row["side"], row["amount"], row["status"]] for row in exchange.fetch_open_orders(BTC)},
    "closed": {row["id"]: [row["filled"], row["average"], row["status"]] for row in exchange.fetch_closed_orders(BTC)},
    "trades": {
        row["id"]: [row["order"], row["amount"], row["price"], row["fee"]["cost"]]
        for row in exchange.fetch_my_trades(BTC)
    },
    "balance": {asset: [balance[asset]["total"], balance[asset]["used"]] for asset in ("USD", "BTC")},
    "ledger": len(exchange.fetch_ledger()),
}
sys.stdout.write(json.dumps(result))
