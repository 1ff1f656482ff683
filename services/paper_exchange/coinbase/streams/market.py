"""The public channels `ticker`, `ticker_batch`, `candles` and `status`.

They name the product that has the book: who asks for BTC-USDC hears of BTC-USD (docs.cdp.coinbase.com, WebSocket channels).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.catalogue import least_and_steps
from services.paper_exchange.coinbase.flags import flags_of
from services.paper_exchange.coinbase.products import PRODUCTS, QUOTE_INCREMENT, Product
from services.paper_exchange.coinbase.streams.outbox import ConnectionOutbox
from services.paper_exchange.coinbase.streams.schedule import Schedule
from services.paper_exchange.coinbase.streams.statistics import Statistics
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.view import feed_of, price_at, traded
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.market.feed import Feed
from shared.seeded_market.bars import Bar

TICKER, TICKER_BATCH, CANDLES, STATUS = "ticker", "ticker_batch", "candles", "status"
FIVE_MINUTES: Final = 5
CANDLES_OF_SNAPSHOT: Final = 100  # assumed
SECONDS: Final = {TICKER_BATCH: 5.0, CANDLES: 1.0, STATUS: 5.0}
"""From one update to the next; the page says so of the first two, the last one is assumed."""


class MarketChannel:
    """One public channel of a connection: its products by canonical id, and what it sends of them."""

    name = ""
    content = ""
    """The name of the list in its events."""

    def __init__(self, out: ConnectionOutbox, schedule: Schedule, exchange: Exchange, statistics: Statistics) -> None:
        self._out = out
        self._exchange = exchange
        self._statistics = statistics
        self._products: dict[str, Product] = {}
        self._seen: dict[str, int] = {}
        """The version of the feed that each product was last sent of."""
        self._closed = False
        if self.name in SECONDS:
            schedule.every(SECONDS[self.name], self._tick, lambda: not self._closed)

    @property
    def names(self) -> list[str]:
        """Return what the acknowledgement lists."""
        return list(self._products)

    def add(self, product_ids: Iterable[str]) -> None:
        """Subscribe to products, or to all, and send their snapshot."""
        wanted = [PRODUCTS[each] for each in product_ids] or list(PRODUCTS.values())
        new = {each.canonical_id: PRODUCTS[each.canonical_id] for each in wanted if traded(self._exchange, each)}
        self._products |= new
        for product in new.values():
            self._watch(product)
        self._out.reply(
            self.name, self._event("snapshot", [row for each in new.values() for row in self.snapshot(each)])
        )

    def remove(self, product_ids: Iterable[str]) -> bool:
        """Unsubscribe from products, or from all. Return whether some are left."""
        gone = {PRODUCTS[each].canonical_id for each in product_ids} or set(self._products)
        for product_id in gone & self._products.keys():
            self._unwatch(self._products.pop(product_id))
        return bool(self._products)

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self.remove(())

    def snapshot(self, product: Product) -> list[Shape]:
        """Return what the snapshot has of a product."""
        raise NotImplementedError

    def changes(self, product: Product) -> list[Shape]:
        """Return what an update has of a product whose price has moved."""
        raise NotImplementedError

    def _tick(self) -> None:
        self._exchange.catch_up()
        self._send_changed()

    def _send_changed(self) -> None:
        rows: list[Shape] = []
        for product in self._products.values():
            if not traded(self._exchange, product):
                continue
            version = feed_of(self._exchange, product).version
            if self._seen.get(product.id) != version:
                self._seen[product.id] = version
                rows += self.changes(product)
        if rows:
            self._out.update(self.name, self._event("update", rows))

    def _watch(self, product: Product) -> None:
        self._seen[product.id] = feed_of(self._exchange, product).version

    def _unwatch(self, product: Product) -> None:
        self._seen.pop(product.id, None)

    def _event(self, kind: str, rows: list[Shape]) -> Shape:
        return {"type": kind, self.content: rows}


class TickerBatch(MarketChannel):
    """Prices every five seconds, without quotes."""

    name, content = TICKER_BATCH, "tickers"

    def snapshot(self, product: Product) -> list[Shape]:
        """Return the ticker."""
        return [self._statistics.ticker(product, quotes=False)]

    changes = snapshot


class Ticker(MarketChannel):
    """Prices in the moment in which they move."""

    name, content = TICKER, "tickers"

    def __init__(self, out: ConnectionOutbox, schedule: Schedule, exchange: Exchange, statistics: Statistics) -> None:
        super().__init__(out, schedule, exchange, statistics)
        self._feeds: dict[str, Feed] = {}

    def snapshot(self, product: Product) -> list[Shape]:
        """Return the ticker."""
        return [self._statistics.ticker(product, quotes=True)]

    changes = snapshot

    def _watch(self, product: Product) -> None:
        super()._watch(product)
        if product.id not in self._feeds:
            feed = self._feeds[product.id] = feed_of(self._exchange, product)
            feed.on_move.append(self._send_changed)

    def _unwatch(self, product: Product) -> None:
        super()._unwatch(product)
        self._feeds.pop(product.id).on_move.remove(self._send_changed)


class Candles(MarketChannel):
    """Candles of five minutes of market time, once a second: the one that forms, and the one that it has just finished."""

    name, content = CANDLES, "candles"

    def __init__(self, out: ConnectionOutbox, schedule: Schedule, exchange: Exchange, statistics: Statistics) -> None:
        super().__init__(out, schedule, exchange, statistics)
        self._newest: dict[str, int] = {}

    def snapshot(self, product: Product) -> list[Shape]:
        """Return the latest candles, newest first."""
        bars = feed_of(self._exchange, product).candles(FIVE_MINUTES, CANDLES_OF_SNAPSHOT)
        self._newest[product.id] = bars[-1].start
        return [self._shape(product, bar) for bar in reversed(bars)]

    def changes(self, product: Product) -> list[Shape]:
        """Return the candles since the one that was the newest, which may have grown."""
        newest = self._newest[product.id]
        missed = int(self._exchange.market.now - newest) // (60 * FIVE_MINUTES) + 1
        bars = feed_of(self._exchange, product).candles(FIVE_MINUTES, max(1, missed))
        self._newest[product.id] = bars[-1].start
        return [self._shape(product, bar) for bar in reversed(bars) if bar.start >= newest]

    def _shape(self, product: Product, bar: Bar) -> Shape:
        feed = feed_of(self._exchange, product)

        def text(ticks: int) -> str:
            return decimal_text(price_at(feed, product, ticks))

        return {
            "start": str(bar.start),
            "high": text(bar.high),
            "low": text(bar.low),
            "open": text(bar.open),
            "close": text(bar.close),
            "volume": f"{bar.volume:.8f}",
            "product_id": product.id,
        }


class ProductStatus(MarketChannel):
    """The products' steps and status, on a preset interval."""

    name, content = STATUS, "products"

    def snapshot(self, product: Product) -> list[Shape]:
        """Return the product."""
        instrument = product.instrument
        (_, least_worth), (_, lot) = least_and_steps(self._exchange, product)
        return [
            {
                "product_type": "SPOT",
                "id": product.id,
                "base_currency": instrument.base,
                "quote_currency": instrument.quote,
                "base_increment": decimal_text(lot),
                "quote_increment": decimal_text(QUOTE_INCREMENT),
                "display_name": instrument.symbol,
                "status": flags_of(self._exchange, product).status,
                "status_message": "",
                "min_market_funds": decimal_text(least_worth),
            }
        ]

    def _send_changed(self) -> None:
        rows = [row for each in self._products.values() if traded(self._exchange, each) for row in self.snapshot(each)]
        self._out.update(self.name, self._event("update", rows))


CHANNELS: Final[dict[str, type[MarketChannel]]] = {
    each.name: each for each in (Ticker, TickerBatch, Candles, ProductStatus)
}
