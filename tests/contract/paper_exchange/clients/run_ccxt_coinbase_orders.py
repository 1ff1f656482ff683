"""Trade on the paper Coinbase with ccxt's coinbase client, unmodified except for its URL. Runs in a venv of its own.

Usage: run_ccxt_coinbase_orders.py URL KEY SECRET. The price of BTC/USD is 60000. Prints one JSON object: what ccxt made of it.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import json
import sys

import ccxt

url, key, secret = sys.argv[1:]
exchange = ccxt.coinbase({"apiKey": key, "secret": secret, "enableRateLimit": True})
exchange.urls["api"]["rest"] = url
exchange.session.trust_env = False
exchange.load_markets()
BTC, ALIAS = "BTC/USD", "BTC/USDC"
END = {"timeInForce": "GTD", "end_time": "2099-01-01T00:00:00Z"}


def shape(order):
    """Return what ccxt reads of an order."""
    row = exchange.fetch_order(order["id"])
    fee = row["fee"]["cost"] if row["fee"] else None
    return [row[name] for name in ("symbol", "type", "side", "status", "amount", "filled", "average")] + [fee]


made = {
    "by_cost": exchange.create_market_buy_order_with_cost(BTC, 600),
    "market_buy": exchange.create_order(BTC, "market", "buy", 0.01, 60000),
    "market_sell": exchange.create_order(BTC, "market", "sell", 0.01),
    "alias": exchange.create_market_buy_order_with_cost(ALIAS, 100),
    "ioc": exchange.create_order(BTC, "limit", "buy", 0.01, 60010, {"timeInForce": "IOC"}),
    "ioc_nothing": exchange.create_order(BTC, "limit", "buy", 0.01, 50000, {"timeInForce": "IOC"}),
    "fok": exchange.create_order(BTC, "limit", "sell", 0.01, 59990, {"timeInForce": "FOK"}),
    "gtc": exchange.create_order(BTC, "limit", "buy", 0.01, 59000),
    "post_only": exchange.create_order(BTC, "limit", "sell", 0.01, 61000, {"postOnly": True}),
    "gtd": exchange.create_order(BTC, "limit", "buy", 0.01, 58000, END),
    "stop": exchange.create_order(
        BTC, "limit", "sell", 0.01, 58900, {"stopPrice": 59000, "stop_direction": "STOP_DIRECTION_STOP_DOWN"}
    ),
    "stop_loss": exchange.create_order(BTC, "limit", "sell", 0.01, 58900, {"stopLossPrice": 59000}),
    "take_profit": exchange.create_order(BTC, "limit", "sell", 0.01, 62000, {"takeProfitPrice": 62000}),
}
shapes = {name: shape(order) for name, order in made.items()}
names = {order["id"]: name for name, order in made.items()}

exchange.edit_order(made["gtc"]["id"], BTC, "limit", "buy", 0.02, 58500)
edited = exchange.fetch_order(made["gtc"]["id"])
exchange.create_order(BTC, "market", "sell", 0.01, None, {"preview": True})  # whose answer ccxt drops
preview = exchange.v3PrivatePostBrokerageOrdersPreview(
    {"product_id": "BTC-USD", "side": "SELL", "order_configuration": {"market_market_ioc": {"base_size": "0.01"}}}
)
before = sorted(names[order["id"]] for order in exchange.fetch_open_orders(BTC))
exchange.cancel_order(made["gtd"]["id"])
cancelled = exchange.cancel_orders([made["stop"]["id"], made["stop_loss"]["id"]])

refused = {}
for name, failing in {
    "funds": lambda: exchange.create_order(BTC, "market", "sell", 1000),
    "post_only": lambda: exchange.create_order(BTC, "limit", "buy", 0.01, 60100, {"postOnly": True}),
    "minimum": lambda: exchange.create_market_buy_order_with_cost(BTC, 0.5),
    "stop": lambda: exchange.create_order(
        BTC, "limit", "sell", 0.01, 61000, {"stopPrice": 62000, "stop_direction": "STOP_DIRECTION_STOP_DOWN"}
    ),
    "cancel": lambda: exchange.cancel_order("nowhere"),
    "order": lambda: exchange.fetch_order("nowhere"),
}.items():
    try:
        failing()
    except ccxt.BaseError as error:
        refused[name] = type(error).__name__

same = {"client_order_id": "sent-twice"}
twice = [exchange.create_market_buy_order_with_cost(BTC, 50, same)["id"] for _ in range(2)]
trades = exchange.fetch_my_trades(BTC)
paged = exchange.fetch_orders(None, None, 3)
result = {
    "shapes": shapes,
    "edited": [edited[name] for name in ("amount", "price", "status")],
    "preview": [preview["errs"], preview["base_size"]],
    "open_before": before,
    "open": sorted(names[order["id"]] for order in exchange.fetch_open_orders(BTC)),
    "closed": len(exchange.fetch_closed_orders()),
    "canceled": sorted(names[order["id"]] for order in exchange.fetch_canceled_orders()),
    "cancelled": [row["info"]["success"] for row in cancelled],
    "orders": len(exchange.fetch_orders()),
    "page": [row["id"] == twice[0] for row in paged],
    "trades": {row["order"]: [row["amount"], row["price"], row["takerOrMaker"], row["fee"]["cost"]] for row in trades},
    "names": names,
    "twice": twice,
    "refused": refused,
    "held": {asset: exchange.fetch_balance({"v3": True})[asset]["used"] for asset in ("USD", "BTC")},
}
sys.stdout.write(json.dumps(result))
