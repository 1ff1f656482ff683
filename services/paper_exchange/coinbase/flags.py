"""The flags of a product now: none, unless an armed fault sets one, or the price is too old to trade at (`cancel_only`).

Faults: one per flag (`product_disabled`, `product_limit_only`, ...), and those that Kraken has too: `pair_halted` halts one
product, `cancel_only_mode` and `post_only_mode` hold for all of them, `pair_not_listed` takes it from the lists.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from services.paper_exchange.coinbase.products import Product
from services.paper_exchange.coinbase.venue import NAME
from services.paper_exchange.core.exchange import Exchange

ONLINE: Final = "online"
OFFLINE: Final = "offline"


@dataclass(frozen=True, slots=True)
class ProductFlags:
    """The flags as the product shows them, and its status."""

    is_disabled: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    trading_disabled: bool = False
    auction_mode: bool = False
    view_only: bool = False
    status: str = ONLINE

    @property
    def halted(self) -> bool:
        """Return whether no new order is taken, whatever its type."""
        return self.is_disabled or self.cancel_only or self.trading_disabled or self.view_only or self.status != ONLINE


FAULTS: Final = {
    "product_disabled": "is_disabled",
    "product_cancel_only": "cancel_only",
    "product_limit_only": "limit_only",
    "product_post_only": "post_only",
    "product_trading_disabled": "trading_disabled",
    "product_auction_mode": "auction_mode",
    "product_view_only": "view_only",
    "pair_halted": "trading_disabled",
    "cancel_only_mode": "cancel_only",
    "post_only_mode": "post_only",
}
"""The flag that each fault sets."""
NONE: Final = ProductFlags()
STALE: Final = ProductFlags(cancel_only=True)
NAMES_OF_FLAGS: Final = tuple(field.name for field in fields(ProductFlags) if field.name != "status")


def flags_of(exchange: Exchange, product: Product, user: str = "") -> ProductFlags:
    """Return a product's present flags, as a user sees them."""
    faults, symbol = exchange.faults, product.book_symbol
    stale = exchange.rules.closed(symbol)
    if not faults.armed:
        return STALE if stale else NONE
    found = {flag: True for fault, flag in FAULTS.items() if faults.active(fault, user, symbol=symbol, venue=NAME)}
    status = OFFLINE if faults.active("product_offline", user, symbol=symbol, venue=NAME) else ONLINE
    return ProductFlags(**{"cancel_only": stale} | found, status=status)


def count_refusal(exchange: Exchange, product: Product, user: str) -> None:
    """Count an order that a flag refused for the faults that set the flags."""
    for fault in (*FAULTS, "product_offline"):
        exchange.faults.effect(fault, user, symbol=product.book_symbol, venue=NAME)
