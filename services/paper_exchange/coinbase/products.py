"""Coinbase's products: ids, steps and minimums, and which product trades on which book.

`BTC-USDC` is an alias of `BTC-USD`: one book, and the wallet that pays is that of the product in the request. Steps are those
of QuantConnect's LEAN (2025-06); minimums and maximums those of the BTC-USD that nautilus_trader recorded (2026-04), where
`quote_min_size` 1 is assumed for the others too, and the other maximums are made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.fees import FeeSchedule, FeeTier
from services.paper_exchange.core.instrument import Instrument

QUOTE_INCREMENT: Final = Decimal("0.01")
QUOTE_MIN_SIZE: Final = Decimal(1)
QUOTE_MAX_SIZE: Final = Decimal(150_000_000)
ALIAS_QUOTE: Final = "USDC"
COST_DECIMALS: Final = 10
"""Of sums and fees in quote; recorded ones have more digits than a cent."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product. `instrument` has its own quote currency; `book_symbol` is the market whose price it trades at."""

    id: str
    instrument: Instrument
    book_symbol: str
    base_max_size: Decimal
    alias: str = ""
    alias_to: tuple[str, ...] = ()

    @property
    def canonical_id(self) -> str:
        """Return the id of the product that has the book."""
        return self.alias or self.id


# product, decimals of price_increment, decimals of base_increment (= base_min_size), base_max_size
_ROWS: Final = (
    ("BTC-USD", 2, 8, "3400"),
    ("ETH-USD", 2, 8, "56000"),
    ("SOL-USD", 2, 8, "1000000"),
    ("XRP-USD", 4, 6, "50000000"),
    ("ADA-USD", 4, 8, "50000000"),
    ("DOGE-USD", 5, 1, "150000000"),
    ("LTC-USD", 2, 8, "500000"),
    ("LINK-USD", 3, 2, "5000000"),
    ("AVAX-USD", 2, 8, "1000000"),
    ("DOT-USD", 3, 8, "5000000"),
    ("BCH-USD", 2, 8, "100000"),
    ("UNI-USD", 3, 6, "5000000"),
    ("AAVE-USD", 2, 3, "500000"),
    ("SUI-USD", 4, 1, "30000000"),
    ("ALGO-USD", 4, 1, "100000000"),
    ("ATOM-USD", 3, 2, "5000000"),
    ("XLM-USD", 6, 8, "150000000"),
    ("USDT-USD", 5, 2, "50000000"),
)


def _instrument(base: str, quote: str, price_decimals: int, lot_decimals: int) -> Instrument:
    least = Decimal(1).scaleb(-lot_decimals)
    return Instrument(
        f"{base}/{quote}", base, quote, price_decimals, lot_decimals, least, QUOTE_MIN_SIZE, COST_DECIMALS
    )


def _with_alias(product_id: str, price_decimals: int, lot_decimals: int, most: str) -> tuple[Product, Product]:
    base, _, quote = product_id.partition("-")
    symbol, alias_id = f"{base}/{quote}", f"{base}-{ALIAS_QUOTE}"
    own, other = (_instrument(base, each, price_decimals, lot_decimals) for each in (quote, ALIAS_QUOTE))
    return (
        Product(product_id, own, symbol, Decimal(most), alias_to=(alias_id,)),
        Product(alias_id, other, symbol, Decimal(most), alias=product_id),
    )


PRODUCTS: Final = {product.id: product for row in _ROWS for product in _with_alias(*row)}
"""Every product, an alias after the product that it is an alias of."""
BY_SYMBOL: Final = {product.instrument.symbol: product for product in PRODUCTS.values()}
"""By the plain symbol of its own instrument: `BTC/USD`, `BTC/USDC`."""
INSTRUMENTS: Final = {symbol: product.instrument for symbol, product in BY_SYMBOL.items()}


def list_product(instrument: Instrument) -> None:
    """Add the product of a market that did not exist at the start, and its alias; only dollar markets have one here."""
    if instrument.quote != "USD":
        return
    product_id = f"{instrument.base}-{instrument.quote}"
    for product in _with_alias(product_id, instrument.price_decimals, instrument.lot_decimals, str(QUOTE_MAX_SIZE)):
        PRODUCTS[product.id] = product
        BY_SYMBOL[product.instrument.symbol] = product
        INSTRUMENTS[product.instrument.symbol] = product.instrument


FEES: Final = FeeSchedule([FeeTier(Decimal(0), Decimal("1.20"), Decimal("0.60"))])
"""In percent. Only the first tier (`Intro 1`) is recorded; every volume has it here."""
