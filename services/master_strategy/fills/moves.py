"""Which coins an order has moved, and how each move would be copied. Pure.

An order in the copied currency moves its coin, and is copied as it is. One in another currency moves two coins: what was bought
or sold, and what paid for it if that is a coin too. Each such leg is expressed in the symbol in which its coin is copied; its
cost is the price at the time of the signal, because users trade then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.fills.fills import Emitted
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.venues.port import VenueOrder

_CASH: Final = frozenset(
    {"USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "USDC", "USDT", "USDG", "PYUSD", "DAI", "EURC", "EURR", "EURQ"}
)
"""Assets that pay for coins, and are a position themselves only if they were bought as one."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One coin that an order has moved. `order` is the form in which it is copied; `exact` if it was traded like that."""

    order: VenueOrder
    exact: bool

    @property
    def gains(self) -> bool:
        """Whether the account has more of the coin by it."""
        return self.order.side is Side.BUY


def legs(order: VenueOrder, book: MasterBook, currency: str) -> list[Leg]:
    """Return the coins that an order has moved, gains before losses."""
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


def priced(leg: VenueOrder, emitted: Emitted, price: Price) -> VenueOrder:
    """Return a leg with its cost: what is new of it at `price`."""
    return replace(leg, cost=emitted.cost + (leg.filled - emitted.size) * price)


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
