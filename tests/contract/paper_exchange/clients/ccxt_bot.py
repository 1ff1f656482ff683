"""A bot that trades on ccxt, unmodified except for its URLs, as anybody's bot on a master account. Runs in a venv of its own.

Usage: ccxt_bot.py VENUE URL KEY SECRET SECONDS SEED. Buys and sells at market, in limits that fill and in limits that rest
and are cancelled, in bursts and pauses. Prints one JSON object: how many orders of each kind it placed.
"""

# mypy: ignore-errors
# It runs in a venv of its own: what it imports is not installed where the types are checked.

import collections
import json
import random
import sys
import time

import ccxt

venue, url, key, secret, seconds, seed = sys.argv[1:]
choice = random.Random(int(seed))
exchange = getattr(ccxt, venue)(
    {"apiKey": key, "secret": secret.replace("\\n", "\n"), "enableRateLimit": venue == "coinbase"}
)
exchange.urls["api"] = {"public": url, "private": url, "zendesk": url} if venue == "kraken" else {"rest": url}
exchange.session.trust_env = False
SYMBOLS = ("BTC/USD", "ETH/USD")
SIZES = {"BTC/USD": 0.01, "ETH/USD": 0.2}
placed, held = collections.Counter(), collections.Counter()
exchange.load_markets()
end = time.monotonic() + float(seconds)


def place(symbol, kind, side, price=None, **params):
    size = SIZES[symbol] * (1 if side == "buy" else 0.9)  # a purchase sized in quote brings a little less
    order = exchange.create_order(symbol, kind, side, size, price, params)
    placed[f"{kind} {side}"] += 1
    return order["id"]


while time.monotonic() < end:
    for _ in range(choice.choice((1, 1, 2, 5))):
        symbol = choice.choice(SYMBOLS)
        side = "sell" if held[symbol] > 0 and choice.random() < 0.5 else "buy"
        last = exchange.fetch_ticker(symbol)["last"]
        if choice.random() < 0.2:  # below the market: it rests, and is cancelled
            resting = place(symbol, "limit", "buy", exchange.price_to_precision(symbol, last * 0.9))
            exchange.cancel_order(resting, symbol)
            placed["cancelled"] += 1
            continue
        if choice.random() < 0.4:
            price = exchange.price_to_precision(symbol, last * (1.01 if side == "buy" else 0.99))
            place(symbol, "limit", side, price)
        else:
            place(symbol, "market", side, last)  # at Coinbase ccxt turns it into an amount of quote
        held[symbol] += 1 if side == "buy" else -1
    time.sleep(choice.choice((0.3, 1.0, 3.0)))
print(json.dumps(placed))  # noqa: T201
