"""Coinbase's list of products, for callers with a key and, word for word the same, for the public."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.paper_exchange.coinbase.call import PublicCall, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.flags import NAMES_OF_FLAGS, flags_of
from services.paper_exchange.coinbase.products import PRODUCTS, QUOTE_INCREMENT, QUOTE_MAX_SIZE, Product
from services.paper_exchange.coinbase.texts import decimal_text
from services.paper_exchange.coinbase.view import feed_of, last_price, price_at, product_of, traded
from services.paper_exchange.core.exchange import Exchange

CURRENCIES: Final = {
    "BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "XRP": "XRP", "ADA": "Cardano", "DOGE": "Dogecoin", "LTC": "Litecoin",
    "LINK": "Chainlink", "AVAX": "Avalanche", "DOT": "Polkadot", "BCH": "Bitcoin Cash", "UNI": "Uniswap", "AAVE": "Aave",
    "SUI": "Sui", "ALGO": "Algorand", "ATOM": "Cosmos", "XLM": "Stellar Lumens", "USDT": "Tether", "USD": "US Dollar",
    "USDC": "USDC",
}  # fmt: skip
FIAT: Final = frozenset({"USD", "EUR"})


def list_products(call: PublicCall) -> Shape:
    """Return the products, all or those asked for by type or id, `limit` of them after `offset`."""
    exchange, query = call.exchange, call.query
    limit, offset = query.integer("limit", 0), query.integer("offset", 0)
    if limit < 0 or offset < 0:
        raise invalid_argument("limit and offset must not be negative")
    wanted = query.items("product_ids")
    spot = query.text("product_type") in {"", "UNKNOWN_PRODUCT_TYPE", "SPOT"}
    found = [
        product
        for product in PRODUCTS.values()
        if spot
        and traded(exchange, product)
        and (not wanted or product.id in wanted)
        and exchange.rules.listed(product.book_symbol)
    ]
    page = found[offset : offset + limit] if limit else found[offset:]
    return {"products": [product_shape(exchange, product) for product in page], "num_products": len(page)}


def get_product(call: PublicCall) -> Shape:
    """Return one product."""
    return product_shape(call.exchange, product_of(call.exchange, call.path["product_id"]))


def product_shape(exchange: Exchange, product: Product) -> Shape:
    """Return a product with its present rules and flags; fields as recorded by nautilus_trader (2026-04)."""
    instrument = product.instrument
    (least, least_worth), increments = least_and_steps(exchange, product)
    change, volume = _day(exchange, product)
    flags = flags_of(exchange, product)
    last = last_price(exchange, product)
    return {
        "product_id": product.id,
        "price": decimal_text(last),
        "price_percentage_change_24h": f"{change:.14f}",
        "volume_24h": f"{volume:.8f}",
        "volume_percentage_change_24h": "0",
        "base_increment": decimal_text(increments[1]),
        "quote_increment": decimal_text(QUOTE_INCREMENT),
        "quote_min_size": decimal_text(least_worth),
        "quote_max_size": decimal_text(QUOTE_MAX_SIZE),
        "base_min_size": decimal_text(least),
        "base_max_size": decimal_text(product.base_max_size),
        "base_name": CURRENCIES.get(instrument.base, instrument.base),
        "quote_name": CURRENCIES.get(instrument.quote, instrument.quote),
        "watched": False,
        "is_disabled": flags.is_disabled,
        "new": False,
        "status": flags.status,
        **{name: getattr(flags, name) for name in NAMES_OF_FLAGS if name != "is_disabled"},
        "product_type": "SPOT",
        "quote_currency_id": instrument.quote,
        "base_currency_id": instrument.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": product.alias,
        "alias_to": list(product.alias_to),
        "base_display_symbol": instrument.base,
        "quote_display_symbol": "USD" if product.alias else instrument.quote,
        "price_increment": decimal_text(increments[0]),
        "display_name": product.id,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": f"{volume * float(last):.2f}",
        "new_at": "2023-01-01T00:00:00Z",
        "market_cap": "",
        "display_name_overwrite": "",
        "is_alpha_testing": False,
        "best_bid_price": "",
        "best_ask_price": "",
    }


def least_and_steps(exchange: Exchange, product: Product) -> tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]]:
    """Return the minimums (base_min_size, quote_min_size) and the steps (price, base) as they are now: faults change them."""
    instrument = exchange.rules.adjust(product.instrument, product.book_symbol)
    least = max(instrument.order_min, instrument.lot)
    return (least, instrument.cost_min), (instrument.tick, instrument.lot)


def _day(exchange: Exchange, product: Product) -> tuple[float, float]:
    """Return the change of the price in percent and the volume in base of the last 24 hours."""
    feed = feed_of(exchange, product)
    bars = feed.candles(60, 24)
    opened = price_at(feed, product, bars[0].open)
    change = 100 * float((last_price(exchange, product) - opened) / opened)
    return change, sum(bar.volume for bar in bars)
