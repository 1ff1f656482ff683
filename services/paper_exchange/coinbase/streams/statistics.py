"""The figures of a product that the tickers show: the last day and year, kept for a market minute, since many clients ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.products import Product
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.view import book_of, feed_of, last_price, price_at
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Side

HOUR: Final = 60  # minutes
DAY: Final = 1440


@dataclass(frozen=True, slots=True)
class PastPrices:
    """Of the last 24 hours and 52 weeks, in ticks of the feed; the volume in base."""

    minute: int
    opened: int
    low_24_h: int
    high_24_h: int
    volume_24_h: float
    low_52_w: int
    high_52_w: int


class Statistics:
    """The tickers of every product."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._past: dict[str, PastPrices] = {}

    def ticker(self, product: Product, *, quotes: bool) -> Shape:
        """Return a product's ticker; with `quotes` its best bid and ask too."""
        exchange = self._exchange
        feed, past = feed_of(exchange, product), self._past_of(product)
        last = last_price(exchange, product)
        opened = price_at(feed, product, past.opened)

        def text(ticks: int) -> str:
            return decimal_text(price_at(feed, product, ticks))

        shape: Shape = {
            "type": "ticker",
            "product_id": product.id,
            "price": decimal_text(last),
            "volume_24_h": f"{past.volume_24_h:.8f}",
            "low_24_h": text(min(past.low_24_h, feed.ticks)),
            "high_24_h": text(max(past.high_24_h, feed.ticks)),
            "low_52_w": text(min(past.low_52_w, feed.ticks)),
            "high_52_w": text(max(past.high_52_w, feed.ticks)),
            "price_percent_chg_24_h": f"{100 * float((last - opened) / opened):.14f}",
        }
        return shape | self._quotes(product) if quotes else shape

    def _quotes(self, product: Product) -> Shape:
        book = book_of(self._exchange, product)
        best = {side: next(book.levels(side)) for side in Side}
        (bid, bid_size), (ask, ask_size) = best[Side.SELL], best[Side.BUY]
        return {
            "best_bid": decimal_text(bid),
            "best_bid_quantity": decimal_text(bid_size),
            "best_ask": decimal_text(ask),
            "best_ask_quantity": decimal_text(ask_size),
        }

    def _past_of(self, product: Product) -> PastPrices:
        minute = int(self._exchange.market.now) // 60
        known = self._past.get(product.book_symbol)
        if known is not None and known.minute == minute:
            return known
        feed = feed_of(self._exchange, product)
        hours, days = feed.candles(HOUR, 24), feed.candles(DAY, 364)
        found = PastPrices(
            minute,
            hours[0].open,
            min(bar.low for bar in hours),
            max(bar.high for bar in hours),
            sum(bar.volume for bar in hours),
            min(bar.low for bar in days),
            max(bar.high for bar in days),
        )
        self._past[product.book_symbol] = found
        return found
