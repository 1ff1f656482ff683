"""Drive the paper Coinbase with ccxt's coinbase client, unmodified except for its URL. Runs in a venv of its own.

Usage: run_ccxt_coinbase.py URL KEY SECRET. Prints one JSON object: what ccxt reads.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import json
import sys
from itertools import pairwise

import ccxt

url, key, secret = sys.argv[1:]
exchange = ccxt.coinbase({"apiKey": key, "secret": secret, "enableRateLimit": True})
exchange.urls["api"]["rest"] = url
exchange.session.trust_env = False
BTC = "BTC/USD"

markets = exchange.load_markets()
ticker = exchange.fetch_ticker(BTC)
assert ticker["bid"] < ticker["last"] < ticker["ask"], ticker
candles = exchange.fetch_ohlcv(BTC, "1m", limit=300)
private_candles = exchange.fetch_ohlcv(BTC, "5m", limit=20, params={"usePrivate": True})
book = exchange.fetch_order_book(BTC, 10)
trades = exchange.fetch_trades(BTC, limit=5)
tickers = exchange.fetch_tickers([BTC, "ETH/USD"])
best = exchange.fetch_bids_asks([BTC])
balance = exchange.fetch_balance()
accounts = exchange.fetch_accounts()
conversion = exchange.fetch_convert_quote("USD", "USDC", 25)
converted = exchange.create_convert_trade(conversion["id"], "USD", "USDC", 25)

refused = {}
for name, failing in {
    "window": lambda: exchange.v3PrivateGetBrokerageProductsProductIdCandles(
        {"product_id": "BTC-USD", "granularity": "ONE_MINUTE", "start": "0", "end": "9999999"}
    ),
    "product": lambda: exchange.v3PrivateGetBrokerageProductsProductId({"product_id": "NO-USD"}),
}.items():
    try:
        failing()
    except ccxt.BaseError as error:
        refused[name] = type(error).__name__

exchange.secret, right = secret.replace(secret[60:64], "AAAA") if len(secret) == 88 else None, secret
if exchange.secret:
    try:
        exchange.fetch_balance()
    except ccxt.BaseError as error:
        refused["secret"] = type(error).__name__
exchange.secret = right

result = {
    "version": ccxt.__version__,
    "markets": sorted(markets),
    "currencies": sorted(exchange.currencies),
    "precision": markets[BTC]["precision"],
    "limits": [markets[BTC]["limits"][name]["min"] for name in ("amount", "cost")],
    "fees": [markets[BTC]["taker"], markets[BTC]["maker"]],
    "candles": [len(candles), len(private_candles)],
    "candles_rise": all(earlier[0] < later[0] for earlier, later in pairwise(candles)),
    "book": [len(book["bids"]), len(book["asks"])],
    "trades": len(trades),
    "tickers": sorted(tickers),
    "best": [best[BTC]["bid"], best[BTC]["ask"]],
    "balance": {asset: [balance[asset]["free"], balance[asset]["used"]] for asset in ("USD", "BTC")},
    "accounts": sorted(row["code"] for row in accounts),
    "converted": [converted["fromCurrency"], converted["toCurrency"], exchange.fetch_balance()["USDC"]["total"]],
    "time": exchange.fetch_time(),
    "time_v3": exchange.fetch_time({"method": "v3PublicGetBrokerageTime"}),
    "portfolios": [row["id"] for row in exchange.fetch_portfolios()],
    "permissions": exchange.v3PrivateGetBrokerageKeyPermissions()["can_trade"],
    "fee_of_a_pair": exchange.fetch_trading_fees()[BTC]["taker"],
    "refused": refused,
}
sys.stdout.write(json.dumps(result))
