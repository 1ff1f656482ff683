"""The market as Coinbase shows it: the prices of the one path, rounded to the product's own price increment."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from services.paper_exchange.coinbase.errors import CoinbaseRefusal, invalid_argument, not_found
from services.paper_exchange.coinbase.products import PRODUCTS, Product
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.market.feed import Feed
from services.paper_exchange.core.market.market import OrderBook


def product_of(exchange: Exchange, product_id: str) -> Product:
    """Return a traded product. Raises CoinbaseRefusal (404)."""
    product = PRODUCTS.get(product_id)
    if product is None or not traded(exchange, product):
        raise unknown_product(product_id)
    return product


def named_product(exchange: Exchange, product_id: str) -> Product:
    """Return the product that a parameter names. Raises CoinbaseRefusal: 400 if there is none, 404 if it is not traded."""
    if not product_id:
        raise invalid_argument("product_id is required")
    return product_of(exchange, product_id)


def traded(exchange: Exchange, product: Product) -> bool:
    """Return whether this exchange has a market for a product."""
    return product.book_symbol in exchange.market.feeds


def unknown_product(product_id: str) -> CoinbaseRefusal:
    """Return the 404 for a product that is not there."""
    return not_found(f"valid product_id is required: {product_id[:40]!r}")


def feed_of(exchange: Exchange, product: Product) -> Feed:
    """Return the feed that a product trades at, advanced to now."""
    return exchange.market.feed(product.book_symbol)


def price_at(feed: Feed, product: Product, ticks: float) -> Decimal:
    """Convert a number of the feed's ticks to a price in the product's steps."""
    price = feed.instrument.price_at(round(ticks))
    return max(price.quantize(product.instrument.tick, ROUND_HALF_EVEN), product.instrument.tick)


def last_price(exchange: Exchange, product: Product) -> Decimal:
    """Return the present price."""
    feed = feed_of(exchange, product)
    return price_at(feed, product, feed.ticks)


def book_of(exchange: Exchange, product: Product) -> OrderBook:
    """Return the present book, in the product's steps."""
    instrument = product.instrument
    return exchange.market.book_for(instrument, instrument.ticks_of(last_price(exchange, product)))
