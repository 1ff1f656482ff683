"""Which coins an order has moved, and as what it would be copied. Pure.

An order in the currency that is copied moves its coin, and stands for itself. One in another currency moves two: what was bought
or sold, and what paid for it where that is a coin too. Each such leg is written as if it had been traded in the symbol in which
its coin is copied; its cost is put in at the price of the moment when it is told, because users trade there and then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from services.master_strategy.account.book import MasterBook
from services.master_strategy.fills.fills import Emitted
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.venues.port import VenueOrder

_CASH: Final = frozenset(
    {"USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "USDC", "USDT", "USDG", "PYUSD", "DAI", "EURC", "EURR", "EURQ"}
)
"""What pays for coins and is itself a position only where it was bought as one."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One coin that an order has moved. `order` is as it would be copied; `exact` if that is how it was traded."""

    order: VenueOrder
    exact: bool

    @property
    def gains(self) -> bool:
        """Whether the account has more of the coin by it."""
        return self.order.side is Side.BUY


def legs(order: VenueOrder, book: MasterBook, currency: str) -> list[Leg]:
    """Return the coins that an order has moved, what was lost of them after what was gained."""
    symbol = order.symbol
    if symbol.quote == currency:
        return [Leg(order, exact=True)]
    found = []
    if symbol.base != currency:
        as_copied = book.symbol_of(symbol.base, currency)
        found.append(Leg(replace(order, symbol=as_copied, cost=Money(ZERO, as_copied.quote)), exact=False))
    if _is_a_coin(symbol.quote, book):
        found.append(Leg(_paid_with(order, book, currency), exact=False))
    return sorted(found, key=lambda leg: not leg.gains)


def priced(leg: VenueOrder, told: Emitted, price: Price) -> VenueOrder:
    """Put in what a leg would have cost: what is new of it at `price`."""
    return replace(leg, cost=told.cost + (leg.filled - told.size) * price)


def _is_a_coin(asset: str, book: MasterBook) -> bool:
    return asset not in _CASH or book.size_of(asset).amount > 0


def _paid_with(order: VenueOrder, book: MasterBook, currency: str) -> VenueOrder:
    coin = order.symbol.quote
    fee = order.fee if order.fee_asset == coin else ZERO
    bought = order.side is Side.BUY
    amount = order.cost.amount + fee if bought else max(order.cost.amount - fee, ZERO)
    symbol = book.symbol_of(coin, currency)
    return replace(
        order,
        venue_order_id=f"{order.venue_order_id}/{coin}",
        symbol=symbol,
        side=Side.SELL if bought else Side.BUY,
        filled=Quantity(amount, coin),
        cost=Money(ZERO, symbol.quote),
        fee=ZERO,
        fee_asset=symbol.quote,
    )
