"""The `ticker` and `ohlc` channels: one subscription per symbol, told after each step of that symbol's price.

A step is told once, in the turn of the event loop after it, whatever made it: the market loop, a request, `POST /paper/price`.
Candles follow the venue's way: the forming one is sent again with each step, and one is finished when a later one begins; a step
that finishes one sends it a last time, before the one that has begun.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.market.feed import Feed
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.wire import Shape, dump, micros, nanos
from services.paper_exchange.streaming.outbox import Outbox
from shared.seeded_market.bars import Bar

SNAPSHOT_CANDLES: Final = 10
"""Candles of a snapshot; recorded ones have about as many (inferred)."""
LOTS: Final = Decimal("0.00000001")


class PriceSubscription:
    """What both channels do: listen to one feed, and tell of its steps, each once."""

    channel = ""

    def __init__(self, context: StreamContext, outbox: Outbox, symbol: str, *, snapshot: bool) -> None:
        self.symbol = symbol
        self._context = context
        self._outbox = outbox
        self._snapshot = snapshot
        self._due = False
        self._feed: Feed | None = None

    def start(self) -> None:
        """Send the snapshot, then updates."""
        self._feed = feed = self._context.exchange.market.feed(self.symbol)
        feed.on_move.append(self._moved)
        if self._snapshot:
            self._outbox.reply(self._message("snapshot", self._rows(feed, snapshot=True)))

    def second(self) -> None:
        """Do nothing: it tells by itself."""

    def stop(self) -> None:
        """Stop listening."""
        if self._feed is not None:
            self._feed.on_move.remove(self._moved)
            self._feed = None

    def _moved(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._due = False
        feed = self._feed
        if feed is None or self._context.feed(self.symbol) is not feed:  # the pair has got another name
            return
        if rows := self._rows(feed, snapshot=False):
            self._outbox.unnumbered(self.channel, self._message("update", rows))

    def _rows(self, feed: Feed, *, snapshot: bool) -> list[Shape]:
        raise NotImplementedError

    def _message(self, kind: str, rows: list[Shape]) -> str:
        return dump({"channel": self.channel, "type": kind, "data": rows})


class Ticker(PriceSubscription):
    """The best prices, the last one and the figures of a day; with `bbo` told only when a best price changes."""

    channel = "ticker"

    def __init__(
        self, context: StreamContext, outbox: Outbox, symbol: str, *, snapshot: bool, event_trigger: str
    ) -> None:
        super().__init__(context, outbox, symbol, snapshot=snapshot)
        self._trigger = event_trigger
        self._best: tuple[int, int] = (0, 0)

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it."""
        named = {"channel": self.channel, "event_trigger": self._trigger}
        return {**named, "snapshot": self._snapshot, "symbol": self.symbol}

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        return {"channel": self.channel, "event_trigger": self._trigger, "symbol": self.symbol}

    def _rows(self, feed: Feed, *, snapshot: bool) -> list[Shape]:
        market = self._context.exchange.market
        book = market.book_at(feed, feed.ticks)
        best, self._best = self._best, (book.bid, book.ask)
        if self._trigger == "bbo" and best == self._best and not snapshot:
            return []
        day = self._context.days.of(feed)
        price_at, opened, last = feed.instrument.price_at, day.opened, feed.ticks
        return [
            {
                "symbol": self.symbol,
                "bid": price_at(book.bid),
                "bid_qty": book.touch_size(book.bid),
                "ask": price_at(book.ask),
                "ask_qty": book.touch_size(book.ask),
                "last": price_at(last),
                "volume": _quantity(day.volume),
                "vwap": price_at(round(day.value / (day.volume or 1.0))),
                "low": price_at(day.low),
                "high": price_at(day.high),
                "change": price_at(last - opened),
                "change_pct": Decimal(round((last / opened - 1) * 10_000)) / 100,
            }
        ]


class Candles(PriceSubscription):
    """The candles of one interval (minutes)."""

    channel = "ohlc"

    def __init__(self, context: StreamContext, outbox: Outbox, symbol: str, *, snapshot: bool, interval: int) -> None:
        super().__init__(context, outbox, symbol, snapshot=snapshot)
        self._interval = interval
        self._forming = 0

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it."""
        warnings = ["timestamp is deprecated, use interval_begin"]
        named = {"channel": self.channel, "interval": self._interval}
        return {**named, "snapshot": self._snapshot, "symbol": self.symbol, "warnings": warnings}

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        return {"channel": self.channel, "interval": self._interval, "symbol": self.symbol}

    def _rows(self, feed: Feed, *, snapshot: bool) -> list[Shape]:
        bars = feed.candles(self._interval, SNAPSHOT_CANDLES)
        known, self._forming = self._forming or bars[-1].start, bars[-1].start
        return [self._row(bar, feed) for bar in bars if snapshot or bar.start >= known]

    def _row(self, bar: Bar, feed: Feed) -> Shape:
        price_at = feed.instrument.price_at
        average = round(bar.value / bar.volume) if bar.volume else bar.close
        return {
            "symbol": self.symbol,
            "open": price_at(bar.open),
            "high": price_at(bar.high),
            "low": price_at(bar.low),
            "close": price_at(bar.close),
            "trades": bar.count,
            "volume": _quantity(bar.volume),
            "vwap": price_at(average),
            "interval_begin": nanos(bar.start),
            "interval": self._interval,
            "timestamp": micros(bar.start + self._interval * 60),
        }

    def _message(self, kind: str, rows: list[Shape]) -> str:
        now = nanos(self._context.exchange.market.clock.now())
        return dump({"channel": self.channel, "type": kind, "timestamp": now, "data": rows})


def _quantity(value: float) -> Decimal:
    return Decimal(value).quantize(LOTS)
