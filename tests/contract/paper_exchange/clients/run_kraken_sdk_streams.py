"""Watch an account and prices with python-kraken-sdk's WebSocket client, unmodified except for its URLs.

It runs in a venv of its own.

Usage: run_kraken_sdk_streams.py URL KEY SECRET
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import asyncio
import json
import sys

from kraken.spot import SpotClient, SpotWSClient, Trade

url, key, secret = sys.argv[1:]
SpotClient.URL = url  # for the clients that these make inside: none may look for the real venue
socket_url = url.replace("http", "ws")
heard = []
arrived = asyncio.Event()


async def keep(message):
    heard.append(message)
    arrived.set()


async def until(wanted, count=1):
    """Wait until so many messages are as wanted, and return them."""
    async with asyncio.timeout(60):
        while len(found := [message for message in heard if wanted(message)]) < count:
            arrived.clear()
            await arrived.wait()
    return found


def rows(exec_type):
    return lambda message: (
        message.get("channel") == "executions" and any(row["exec_type"] == exec_type for row in message["data"])
    )


def answer(req_id):
    return lambda message: message.get("req_id") == req_id


async def main():
    trade = Trade(key, secret, url=url)
    client = SpotWSClient(
        key=key, secret=secret, callback=keep, rest_url=url, ws_url=socket_url, auth_ws_url=socket_url
    )
    result = {}
    async with client:
        await client.subscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]}, req_id=1)
        await client.subscribe(params={"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 5}, req_id=2)
        await client.subscribe(params={"channel": "instrument"}, req_id=3)
        await client.subscribe(params={"channel": "executions", "snap_trades": True}, req_id=4)
        await client.subscribe(params={"channel": "balances"}, req_id=5)
        acknowledged = [(await until(answer(number)))[0] for number in range(1, 6)]
        result["acknowledged"] = [message["result"] for message in acknowledged]
        await until(lambda message: message.get("type") == "snapshot", 5)
        await client.send_message(message={"method": "ping", "req_id": 6}, raw=True)
        result["pong"] = (await until(answer(6)))[0]["method"]

        order = await asyncio.to_thread(
            trade.create_order, ordertype="market", side="buy", volume="0.1", pair="XBTUSD", userref=7
        )
        (filled,) = await until(rows("filled"))
        result["filled"] = [
            filled["data"][0]["order_id"] == order["txid"][0],
            *(filled["data"][0][name] for name in ("order_userref", "cum_qty", "avg_price")),
        ]
        fills = [row for message in heard if rows("trade")(message) for row in message["data"]]
        result["fills"] = [[row["last_qty"], row["last_price"], row["fees"]] for row in fills]
        booked = await until(lambda message: (message.get("channel"), message.get("type")) == ("balances", "update"))
        result["booked"] = sorted([row["type"], row["asset"], row["amount"]] for row in booked[0]["data"])
        numbers = [message["sequence"] for message in heard if "sequence" in message]
        result["in_order"] = numbers == list(range(1, len(numbers) + 1))

        await client.unsubscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]}, req_id=8)
        await client.unsubscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]}, req_id=9)
        result["unsubscribed"] = [(await until(answer(number)))[0].get("error") for number in (8, 9)]
        subscriptions = client.active_private_subscriptions
        result["known"] = sorted(each["channel"] for each in subscriptions + client.active_public_subscriptions)

        heard.clear()
        await client._priv_conn.close_connection()  # it connects again by itself, and subscribes with a new token
        restored = await until(lambda message: message.get("method") == "subscribe" and message.get("success"), 2)
        result["restored"] = sorted(message["result"]["channel"] for message in restored)
        await until(rows("trade"))
        refused = [message for message in heard if message.get("success") is False]
        result["refused"] = refused
    return result


sys.stdout.write(json.dumps(asyncio.run(main())))
