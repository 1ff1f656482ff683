"""Watch the paper Coinbase with ccxt.pro's coinbase client, unmodified except for its URLs. Runs in a venv of its own.

Usage: run_ccxt_pro_coinbase.py URL KEY SECRET. The price of BTC/USD is 60000. Prints one JSON object: what ccxt made of it.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import asyncio
import json
import sys

import ccxt.pro

url, key, secret = sys.argv[1:]
BTC, ALIAS = "BTC/USD", "BTC/USDC"
PATIENCE = 30  # seconds


async def watch_until(exchange, order_id, status):
    """Return an order as the stream shows it, as soon as it has a status."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for order in await exchange.watch_orders():
                if (order["id"], order["status"]) == (order_id, status):
                    return order


async def watch():
    """Return everything that was watched."""
    exchange = ccxt.pro.coinbase({"apiKey": key, "secret": secret, "enableRateLimit": True})
    exchange.urls["api"]["rest"] = url
    exchange.urls["api"]["ws"] = url.replace("http://", "ws://")
    try:
        await exchange.load_markets()
        ticker = await exchange.watch_ticker(BTC)
        alias = await exchange.watch_ticker(ALIAS)
        tickers = await exchange.watch_tickers([BTC])
        before = await exchange.watch_orders()
        bought = await exchange.create_order(BTC, "limit", "buy", 0.01, 60010, {"timeInForce": "IOC"})
        filled = await watch_until(exchange, bought["id"], "closed")
        rests = await exchange.create_order(BTC, "limit", "buy", 0.01, 59000)
        opened = await watch_until(exchange, rests["id"], "open")
        await exchange.cancel_order(rests["id"])
        cancelled = await watch_until(exchange, rests["id"], "canceled")
        shown = await exchange.fetch_order(bought["id"])
        wanted = ("symbol", "side", "status", "filled", "average", "cost", "price")
        return {
            "ticker": [ticker[name] for name in ("symbol", "last", "bid", "ask")],
            "alias": alias["last"],
            "tickers": sorted(tickers),
            "before": len(before),
            "filled": {name: filled[name] for name in wanted},
            "shown": {name: shown[name] for name in wanted},
            "open": [opened["price"], opened["filled"]],
            "cancelled": [cancelled["status"], cancelled["filled"]],
        }
    finally:
        await exchange.close()


sys.stdout.write(json.dumps(asyncio.run(watch())))
