"""Kraken's public market data. Market data keys repeat a name given with a slash, and are the pair's id otherwise."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from email.utils import formatdate
from typing import Final

from services.paper_exchange.core.bars import Bar
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.feed import Feed
from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.errors import INVALID_ARGUMENTS, Refused, bad_argument
from services.paper_exchange.kraken.pairs import ASSET_BY_NAME, ASSETS, BY_NAME, PAIRS, Asset, Pair
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.shapes import ids, rfc3339

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
CANDLES: Final = 720
DAY: Final = 86_400
NANO: Final = 1_000_000_000


def time(exchange: Exchange, parameters: Parameters) -> object:
    """Give the venue's clock: the wall clock, not market time."""
    now = exchange.clock.now()
    return {"unixtime": int(now), "rfc1123": formatdate(now, usegmt=True)}


def system_status(exchange: Exchange, parameters: Parameters) -> object:
    """Give the mode of the whole venue."""
    return {"status": str(exchange.rules.mode()), "timestamp": rfc3339(exchange.clock.now())}


def assets(exchange: Exchange, parameters: Parameters) -> object:
    """Give the assets, all or those asked for."""
    wanted = ids(parameters.text("asset"))
    chosen: list[Asset] = []
    for name in wanted:
        if name not in ASSET_BY_NAME:
            raise Refused(errors.UNKNOWN_ASSET)
        chosen.append(ASSET_BY_NAME[name])
    return {
        asset.id: {
            "aclass": "currency",
            "altname": asset.altname,
            "decimals": asset.decimals,
            "display_decimals": asset.display_decimals,
            "collateral_value": 1.0 if asset.id == "ZUSD" else 0.9,
            "status": "enabled",
            "margin_rate": 0.02,
        }
        for asset in (chosen or ASSETS.values())
    }


def asset_pairs(exchange: Exchange, parameters: Parameters) -> object:
    """Give the pairs with the rules of the moment. The fee lists are empty, as they are at the real venue since 2026."""
    info = parameters.text("info") or "info"
    if info not in {"info", "leverage", "fees", "margin"}:
        raise bad_argument("info")
    return {pair.id: _pair_shape(pair, exchange, info) for _, pair in _named_pairs(exchange, parameters)}


def ticker(exchange: Exchange, parameters: Parameters) -> object:
    """Give the tickers, of all pairs when none is named."""
    named = bool(parameters.text("pair"))
    return {
        (_key(name, pair) if named else pair.id): _ticker(exchange, pair)
        for name, pair in _named_pairs(exchange, parameters)
    }


def ohlc(exchange: Exchange, parameters: Parameters) -> object:
    """Give up to 720 candles, the last one still forming; `last` is the start of the last finished one."""
    name, pair = _one_pair(exchange, parameters)
    interval = parameters.integer("interval", 1)
    if interval not in INTERVALS:
        raise bad_argument("interval")
    since = _since(parameters)
    feed = exchange.market.feed(pair.instrument.symbol)
    bars = feed.candles(interval, CANDLES)
    last = bars[-2].start if len(bars) > 1 else bars[-1].start
    return {_key(name, pair): [_candle(bar, feed) for bar in bars if bar.start >= since], "last": last}


def depth(exchange: Exchange, parameters: Parameters) -> object:
    """Give the book, at most 500 levels a side."""
    name, pair = _one_pair(exchange, parameters)
    count = parameters.integer("count", 100)
    if not 1 <= count <= 500:
        raise bad_argument("count")
    book = exchange.market.book(pair.instrument.symbol)
    now = int(exchange.market.clock.now())

    def side(which: Side) -> list[list[object]]:
        levels: list[list[object]] = []
        for price, size in book.levels(which):
            levels.append([f"{price:.{pair.instrument.price_decimals}f}", f"{size:.3f}", now])
            if len(levels) == count:
                break
        return levels

    return {_key(name, pair): {"asks": side(Side.BUY), "bids": side(Side.SELL)}}


def trades(exchange: Exchange, parameters: Parameters) -> object:
    """Give the latest prints of the market, at most 1000, after `since` in nanoseconds."""
    name, pair = _one_pair(exchange, parameters)
    count = parameters.integer("count", 1000)
    if not 1 <= count <= 1000:
        raise bad_argument("count")
    since = _since(parameters)
    since = since if since > NANO * 1000 else since * NANO
    feed = exchange.market.feed(pair.instrument.symbol)
    decimals = pair.instrument.price_decimals
    rows: list[list[object]] = []
    last = since
    first = feed.printed - len(feed.prints)
    for number, (at, ticks, volume, buy) in enumerate(feed.prints, first + 1):
        stamp = int(at * NANO)
        if stamp <= since or len(rows) == count:
            continue
        price = f"{feed.instrument.price_at(ticks):.{decimals}f}"
        rows.append([price, f"{volume:.8f}", round(at, 7), "b" if buy else "s", "m", "", number])
        last = stamp
    return {_key(name, pair): rows, "last": str(last)}


def spread(exchange: Exchange, parameters: Parameters) -> object:
    """Give the latest spreads: (second, bid, ask)."""
    name, pair = _one_pair(exchange, parameters)
    since = _since(parameters)
    feed = exchange.market.feed(pair.instrument.symbol)
    rows: list[list[object]] = []
    for at, ticks, _, _ in feed.prints:
        if int(at) >= since:
            book = exchange.market.book_at(feed, ticks)
            bid, ask = (feed.instrument.price_at(side) for side in (book.bid, book.ask))
            rows.append([int(at), str(bid), str(ask)])
    rows = rows[-200:]
    return {_key(name, pair): rows, "last": int(feed.at)}


METHODS: Final[dict[str, Callable[[Exchange, Parameters], object]]] = {
    "Time": time,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    "Ticker": ticker,
    "OHLC": ohlc,
    "Depth": depth,
    "Trades": trades,
    "Spread": spread,
}


def _since(parameters: Parameters) -> int:
    text = parameters.text("since")
    if not text:
        return 0
    try:
        return int(float(text)) if "." in text else int(text)
    except (ValueError, OverflowError):
        raise bad_argument("since") from None


def _key(name: str, pair: Pair) -> str:
    return name if "/" in name else pair.id


def _named_pairs(exchange: Exchange, parameters: Parameters) -> list[tuple[str, Pair]]:
    names = list(ids(parameters.text("pair")))
    if not names:
        return [(pair.id, pair) for pair in PAIRS if pair.instrument.symbol in exchange.market.feeds]
    found = []
    for name in names:
        pair = BY_NAME.get(name)
        if pair is None or pair.instrument.symbol not in exchange.market.feeds:
            raise Refused(errors.UNKNOWN_PAIR)
        found.append((name, pair))
    return found


def _one_pair(exchange: Exchange, parameters: Parameters) -> tuple[str, Pair]:
    if not parameters.text("pair"):
        raise Refused(INVALID_ARGUMENTS)
    named = _named_pairs(exchange, parameters)
    if len(named) != 1:
        raise Refused(errors.UNKNOWN_PAIR)
    return named[0]


def _pair_shape(pair: Pair, exchange: Exchange, info: str) -> dict[str, object]:
    instrument: Instrument = exchange.rules.current(pair.instrument.symbol)
    shape: dict[str, object] = {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": ASSETS[instrument.base].id,
        "aclass_quote": "currency",
        "quote": ASSETS[instrument.quote].id,
        "lot": "unit",
        "cost_decimals": instrument.cost_decimals,
        "pair_decimals": instrument.price_decimals,
        "lot_decimals": instrument.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [],
        "fees_maker": [],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": _plain(instrument.order_min),
        "costmin": _plain(instrument.cost_min),
        "tick_size": _plain(instrument.tick),
        "status": str(instrument.status),
        "execution_venue": "international",
        "long_position_limit": 0,
        "short_position_limit": 0,
    }
    subsets = {
        "leverage": ("leverage_buy", "leverage_sell"),
        "fees": ("fees", "fees_maker", "fee_volume_currency"),
        "margin": ("margin_call", "margin_stop"),
    }
    return shape if info == "info" else {name: shape[name] for name in subsets[info]}


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


def _ticker(exchange: Exchange, pair: Pair) -> dict[str, object]:
    symbol = pair.instrument.symbol
    feed = exchange.market.feed(symbol)
    book = exchange.market.book(symbol)
    text = feed.instrument.price_at
    bars = feed.candles(15, 96)
    midnight = feed.at - feed.at % DAY
    today = [bar for bar in bars if bar.start >= midnight] or bars[-1:]

    def both(pick: Callable[[list[Bar]], float], written: Callable[[float], object]) -> list[object]:
        return [written(pick(today)), written(pick(bars))]

    def volume_text(value: float) -> str:
        return f"{value:.8f}"

    def ticks_text(value: float) -> str:
        return f"{text(round(value)):f}"

    def top(ticks: int) -> list[object]:
        size = book.touch_size(ticks)
        return [f"{text(ticks):f}", str(int(size)), f"{size:.3f}"]

    return {
        "a": top(book.ask),
        "b": top(book.bid),
        "c": [f"{text(feed.ticks):f}", f"{feed.prints[-1][2]:.8f}"],
        "v": both(lambda rows: sum(bar.volume for bar in rows), volume_text),
        "p": both(lambda rows: sum(bar.value for bar in rows) / (sum(bar.volume for bar in rows) or 1.0), ticks_text),
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
