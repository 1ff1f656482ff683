"""Coinbase's market data: candles, trades, books.

Candles and trades are in market time. `start` and `end` of a request are on the wall clock; a window reaches as far back from the
market's present as it does from the clock's, so clients find the latest candles whatever the market's speed. At speed 1 the two
are the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import PublicCall, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.products import PRODUCTS, Product
from services.paper_exchange.coinbase.texts import decimal_text, rfc3339
from services.paper_exchange.coinbase.view import (
    book_of,
    feed_of,
    last_price,
    named_product,
    price_at,
    product_of,
    traded,
)
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Side
from shared.seeded_market.bars import Bar, group

GRANULARITIES: Final = {
    "ONE_MINUTE": 1, "FIVE_MINUTE": 5, "FIFTEEN_MINUTE": 15, "THIRTY_MINUTE": 30, "ONE_HOUR": 60, "TWO_HOUR": 120,
    "FOUR_HOUR": 240, "SIX_HOUR": 360, "ONE_DAY": 1440,
}  # fmt: skip
"""Minutes of each granularity."""
BUILT_OF: Final = {360: 120}
"""Granularities that are grouped from finer candles: six hours do not consist of whole four-hour bars."""
MOST_CANDLES: Final = 350
TOO_MANY: Final = "start and end argument is invalid - number of candles requested should be less than 350"
MOST_TRADES: Final = 1000
DEFAULT_TRADES: Final = 100


def candles(call: PublicCall) -> Shape:
    """Return the candles that start within the window, newest first, the first perhaps unfinished. More than 350 are refused."""
    exchange, query = call.exchange, call.query
    product = product_of(exchange, call.path["product_id"])
    minutes = GRANULARITIES.get(query.text("granularity"))
    if minutes is None:
        raise invalid_argument("granularity is required")
    start, end = (_second(call, name) for name in ("start", "end"))
    limit = query.integer("limit", MOST_CANDLES) or MOST_CANDLES
    if end < start or (end - start) / (60 * minutes) > MOST_CANDLES or not 0 < limit <= MOST_CANDLES:
        raise invalid_argument(TOO_MANY)
    feed = feed_of(exchange, product)
    shift = round(exchange.market.now - exchange.clock.now())
    rows = [bar for bar in _bars(call, product, minutes, start + shift) if start + shift <= bar.start <= end + shift]
    rows.reverse()

    def text(ticks: int) -> str:
        return decimal_text(price_at(feed, product, ticks))

    return {
        "candles": [
            {
                "start": str(bar.start),
                "low": text(bar.low),
                "high": text(bar.high),
                "open": text(bar.open),
                "close": text(bar.close),
                "volume": f"{bar.volume:.8f}",
            }
            for bar in rows[:limit]
        ]
    }


def market_trades(call: PublicCall) -> Shape:
    """Return the latest trades, newest first, and the best prices. `side` is the maker's, as it is since July 2025."""
    exchange = call.exchange
    product = product_of(exchange, call.path["product_id"])
    limit = call.query.integer("limit", DEFAULT_TRADES) or DEFAULT_TRADES
    if not 0 < limit <= MOST_TRADES:
        raise invalid_argument("limit must be from 1 to 1000")
    feed, book = feed_of(exchange, product), book_of(exchange, product)
    first = feed.printed - len(feed.prints) + 1
    prints = list(enumerate(feed.prints, first))[-limit:]
    return {
        "trades": [
            {
                "trade_id": str(number),
                "product_id": product.id,
                "price": decimal_text(price_at(feed, product, ticks)),
                "size": f"{volume:.{product.instrument.lot_decimals}f}",
                "time": rfc3339(at),
                "side": "SELL" if taker_buys else "BUY",
                "bid": "",
                "ask": "",
                "exchange": "coinbase",
            }
            for number, (at, ticks, volume, taker_buys) in reversed(prints)
        ],
        "best_bid": decimal_text(book.instrument.price_at(book.bid)),
        "best_ask": decimal_text(book.instrument.price_at(book.ask)),
    }


def product_book(call: PublicCall) -> Shape:
    """Return the book, `limit` levels a side (all without it), with the middle and the spread."""
    exchange = call.exchange
    product = named_product(exchange, call.query.text("product_id"))
    limit = call.query.integer("limit", 0)
    if limit < 0:
        raise invalid_argument("limit must not be negative")
    book = book_of(exchange, product)
    bid, ask = book.instrument.price_at(book.bid), book.instrument.price_at(book.ask)
    middle = (bid + ask) / 2
    return {
        "pricebook": _pricebook(exchange, product, limit),
        "last": decimal_text(last_price(exchange, product)),
        "mid_market": decimal_text(middle),
        "spread_bps": f"{(ask - bid) / middle * 10_000:.12f}",
        "spread_absolute": decimal_text(ask - bid),
    }


def best_bid_ask(call: PublicCall) -> Shape:
    """Return the best level of each side, of the products asked for or of all."""
    exchange = call.exchange
    wanted = call.query.items("product_ids")
    found = [product_of(exchange, name) for name in wanted] or [
        product for product in PRODUCTS.values() if traded(exchange, product)
    ]
    return {"pricebooks": [_pricebook(exchange, product, 1) for product in found]}


def _pricebook(exchange: Exchange, product: Product, limit: int) -> Shape:
    book = book_of(exchange, product)

    def side(which: Side) -> list[Shape]:
        levels = [_level(price, size) for price, size in book.levels(which)]
        return levels[:limit] if limit else levels

    return {
        "product_id": product.id,
        "bids": side(Side.SELL),
        "asks": side(Side.BUY),
        "time": rfc3339(exchange.market.now),
    }


def _level(price: Decimal, size: Decimal) -> Shape:
    return {"price": decimal_text(price), "size": decimal_text(size)}


def _second(call: PublicCall, name: str) -> int:
    second = call.query.integer(name, -1)
    if second < 0:
        raise invalid_argument(f"{name} is required: unix seconds")
    return second


def _bars(call: PublicCall, product: Product, minutes: int, start: float) -> list[Bar]:
    """Return the candles from an instant of market time on, oldest first."""
    feed = feed_of(call.exchange, product)
    count = int((call.exchange.market.now - start) / (60 * minutes)) + 2
    if count < 1:
        return []
    finer = BUILT_OF.get(minutes)
    if finer is None:
        return feed.candles(minutes, count)
    return group(feed.candles(finer, count * minutes // finer), 60 * minutes)
