"""Watch an account and prices with ccxt.pro, unmodified except for its URLs. Runs in a venv of its own.

Usage: run_ccxt_streams.py URL KEY SECRET
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import asyncio
import json
import sys

import ccxt.pro

url, key, secret = sys.argv[1:]
BTC = "BTC/USD"


async def set_price(exchange, price):
    await exchange.fetch(
        f"{url}/paper/price", "POST", {"Content-Type": "application/json"}, json.dumps({"symbol": BTC, "price": price})
    )


async def until(watch, wanted):
    """Watch until what is watched is as wanted."""
    while True:
        found = await asyncio.wait_for(watch(), 60)
        if wanted(found):
            return found


async def main():
    exchange = ccxt.pro.kraken({"apiKey": key, "secret": secret, "enableRateLimit": False})
    exchange.urls["api"] = {
        "public": url, "private": url, "zendesk": url,
        "ws": {name: f"{url.replace('http', 'ws')}/v2" for name in ("public", "publicV2", "privateV2")}
        | {"private": f"{url.replace('http', 'ws')}/v2?token"},
    }  # fmt: skip
    result = {"version": ccxt.pro.__version__}
    ticker = await until(lambda: exchange.watch_ticker(BTC), lambda row: row["last"] == 60000)
    result["first"] = [ticker["bid"], ticker["ask"], ticker["last"]]
    moved = asyncio.create_task(until(lambda: exchange.watch_ticker(BTC), lambda row: row["last"] == 61000))
    await set_price(exchange, "61000")
    result["moved"] = (await moved)["last"]
    best = asyncio.create_task(until(lambda: exchange.watch_ohlcv(BTC, "1m"), lambda rows: rows[-1][4] == 60000))
    await asyncio.sleep(0)
    await set_price(exchange, "60000")
    result["candle"] = (await best)[-1][4]

    orders = asyncio.create_task(until(lambda: exchange.watch_orders(BTC), lambda rows: len(rows) > 0))
    balance = await asyncio.wait_for(exchange.watch_balance(), 60)
    result["balance"] = {asset: balance[asset]["total"] for asset in ("USD", "BTC")}
    placed = await exchange.create_order(BTC, "limit", "buy", 0.2, 50000)
    seen = (await orders)[-1]
    result["order"] = [seen["id"] == placed["id"], seen["side"], seen["amount"], seen["price"], seen["status"]]
    trades = asyncio.create_task(until(lambda: exchange.watch_my_trades(BTC), lambda rows: len(rows) > 0))
    await asyncio.sleep(0)
    bought = await exchange.create_order(BTC, "market", "buy", 0.1)
    trade = (await trades)[-1]
    (rest,) = await exchange.fetch_my_trades(BTC)
    result["trade"] = [trade["order"] == bought["id"], trade["side"], trade["amount"], trade["price"], trade["fee"]]
    result["same_trade"] = [trade["id"] == rest["id"], trade["amount"] == rest["amount"], trade["cost"] == rest["cost"]]
    await exchange.close()
    return result


sys.stdout.write(json.dumps(asyncio.run(main())))
