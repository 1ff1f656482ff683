"""Kraken's market data: ticker, candles, book, trades, spreads, all in market time.

A result's key repeats a name given with a slash (`BTC/USD`) and is the pair's id otherwise, as seen at the real venue.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.core.market.feed import Feed
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.errors import INVALID_ARGUMENTS, KrakenRefusal, bad_argument
from services.paper_exchange.kraken.pairs import BY_NAME, BY_SYMBOL, KrakenPair
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.shapes import ids
from shared.seeded_market.bars import Bar

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
CANDLES: Final = 720
DAY: Final = 86_400
NANO: Final = 1_000_000_000
PRICE_DECIMALS: Final = 5


def ticker(exchange: Exchange, parameters: Parameters) -> object:
    """Return the tickers, of all pairs if none is named."""
    named = bool(parameters.text("pair"))
    return {
        (_key(name, pair) if named else pair.id): _ticker(exchange, pair)
        for name, pair in named_pairs(exchange, parameters)
    }


def ohlc(exchange: Exchange, parameters: Parameters) -> object:
    """Return up to 720 candles, the last one unfinished; `last` is the start of the last finished one."""
    name, pair = _one_pair(exchange, parameters)
    interval = parameters.integer("interval", 1)
    if interval not in INTERVALS:
        raise bad_argument("interval")
    since = _since(parameters)
    feed = exchange.market.feed(pair.instrument.symbol)
    bars = feed.candles(interval, CANDLES)
    last = bars[-2].start if len(bars) > 1 else bars[-1].start
    return {_key(name, pair): [_candle(bar, feed) for bar in bars if bar.start > since], "last": last}


def depth(exchange: Exchange, parameters: Parameters) -> object:
    """Return the book, at most 500 levels per side."""
    name, pair = _one_pair(exchange, parameters)
    count = parameters.integer("count", 100)
    if not 1 <= count <= 500:
        raise bad_argument("count")
    book = exchange.market.book(pair.instrument.symbol)
    now = int(exchange.market.clock.now())

    def side(which: Side) -> list[list[object]]:
        levels: list[list[object]] = []
        for price, size in book.levels(which):
            levels.append([_price_text(pair.instrument, price), f"{size:.3f}", now])
            if len(levels) == count:
                break
        return levels

    return {_key(name, pair): {"asks": side(Side.BUY), "bids": side(Side.SELL)}}


def trades(exchange: Exchange, parameters: Parameters) -> object:
    """Return the latest trades of the market, at most 1000, after `since` in nanoseconds."""
    name, pair = _one_pair(exchange, parameters)
    count = parameters.integer("count", 1000)
    if not 1 <= count <= 1000:
        raise bad_argument("count")
    since = _since(parameters)
    since = since if since > NANO * 1000 else since * NANO
    feed = exchange.market.feed(pair.instrument.symbol)
    rows: list[list[object]] = []
    last = since
    first = feed.printed - len(feed.prints)
    for number, (at, ticks, volume, buy) in enumerate(feed.prints, first + 1):
        stamp = int(at * NANO)
        if stamp <= since or len(rows) == count:
            continue
        price = _price_text(pair.instrument, feed.instrument.price_at(ticks))
        rows.append([price, f"{volume:.8f}", round(at, 7), "b" if buy else "s", "m", "", number])
        last = stamp
    return {_key(name, pair): rows, "last": str(last)}


def spread(exchange: Exchange, parameters: Parameters) -> object:
    """Return the latest spreads: (second, bid, ask)."""
    name, pair = _one_pair(exchange, parameters)
    since = _since(parameters)
    feed = exchange.market.feed(pair.instrument.symbol)
    rows: list[list[object]] = []
    for at, ticks, _, _ in feed.prints:
        if int(at) >= since:
            book = exchange.market.book_at(feed, ticks)
            bid, ask = (feed.instrument.price_at(side) for side in (book.bid, book.ask))
            rows.append([int(at), _price_text(pair.instrument, bid), _price_text(pair.instrument, ask)])
    rows = rows[-200:]
    return {_key(name, pair): rows, "last": int(feed.at)}


def _price_text(instrument: Instrument, price: Decimal) -> str:
    """Format a price with at least 5 decimals, whatever the pair's are, as Ticker, Depth, Trades and Spread have it.

    Source: the examples of docs.kraken.com and trades recorded in September 2026. Candles have the pair's own decimals.
    """
    return f"{price:.{max(PRICE_DECIMALS, instrument.price_decimals)}f}"


def _key(name: str, pair: KrakenPair) -> str:
    return name if "/" in name else pair.id


def named_pairs(exchange: Exchange, parameters: Parameters) -> list[tuple[str, KrakenPair]]:
    """Return the requested pairs with the names in the request, or all pairs."""
    names = list(ids(parameters.text("pair")))
    if not names:
        return [(pair.id, pair) for pair in BY_SYMBOL.values() if pair.instrument.symbol in exchange.market.feeds]
    found = []
    for name in names:
        pair = BY_NAME.get(name)
        if pair is None or pair.instrument.symbol not in exchange.market.feeds:
            raise KrakenRefusal(errors.UNKNOWN_PAIR)
        found.append((name, pair))
    return found


def _one_pair(exchange: Exchange, parameters: Parameters) -> tuple[str, KrakenPair]:
    if not parameters.text("pair"):
        raise KrakenRefusal(INVALID_ARGUMENTS)
    named = named_pairs(exchange, parameters)
    if len(named) != 1:
        raise KrakenRefusal(errors.UNKNOWN_PAIR)
    return named[0]


def _since(parameters: Parameters) -> int:
    text = parameters.text("since")
    if not text:
        return 0
    try:
        return int(float(text)) if "." in text else int(text)
    except (ValueError, OverflowError):
        raise bad_argument("since") from None


def _ticker(exchange: Exchange, pair: KrakenPair) -> dict[str, object]:
    symbol = pair.instrument.symbol
    feed = exchange.market.feed(symbol)
    book = exchange.market.book(symbol)
    instrument = pair.instrument
    bars = feed.candles(5, 288)
    midnight = feed.at - feed.at % DAY
    today = [bar for bar in bars if bar.start >= midnight] or bars[-1:]

    def both(pick: Callable[[list[Bar]], float], written: Callable[[float], object]) -> list[object]:
        return [written(pick(today)), written(pick(bars))]

    def volume_text(value: float) -> str:
        return f"{value:.8f}"

    def ticks_text(value: float) -> str:
        return _price_text(instrument, feed.instrument.price_at(round(value)))

    def average_text(value: float) -> str:
        """Format an average price in ticks, which is between two of them."""
        return _price_text(instrument, Decimal(value).scaleb(-feed.instrument.price_decimals))

    def top(ticks: int) -> list[object]:
        size = book.touch_size(ticks)
        return [ticks_text(ticks), str(int(size)), f"{size:.3f}"]

    return {
        "a": top(book.ask),
        "b": top(book.bid),
        "c": [ticks_text(feed.ticks), f"{feed.prints[-1][2]:.8f}"],
        "v": both(lambda rows: sum(bar.volume for bar in rows), volume_text),
        "p": both(lambda rows: sum(bar.value for bar in rows) / (sum(bar.volume for bar in rows) or 1.0), average_text),
        "t": both(lambda rows: float(sum(bar.count for bar in rows)), int),
        "l": both(lambda rows: float(min(bar.low for bar in rows)), ticks_text),
        "h": both(lambda rows: float(max(bar.high for bar in rows)), ticks_text),
        "o": ticks_text(today[0].open),
    }


def _candle(bar: Bar, feed: Feed) -> list[object]:
    text = feed.instrument.price_at
    average = round(bar.value / bar.volume) if bar.volume else bar.close
    prices = [f"{text(ticks):f}" for ticks in (bar.open, bar.high, bar.low, bar.close, average)]
    return [bar.start, *prices, f"{bar.volume:.8f}", bar.count]
