"""What filled, summed over the legs of an order, from the venue's own records."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.venues.port import VenueOrder


@dataclass(frozen=True, slots=True)
class LegTotals:
    """The sums over all ended legs of an order. `fee` in quote; a fee in base is valued at the fill price."""

    filled: Quantity
    cost: Money
    fee: Money

    @staticmethod
    def nothing(symbol: Symbol) -> LegTotals:
        """Return the totals of an order that traded nothing."""
        return LegTotals(Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), Money(ZERO, symbol.quote))

    def plus(self, order: VenueOrder) -> LegTotals:
        """Add a leg's record."""
        return LegTotals(self.filled + order.filled, self.cost + order.cost, self.fee + quote_fee(order))

    @property
    def average_price(self) -> Price | None:
        """Average price over all legs; None if nothing filled."""
        if self.filled.amount == 0:
            return None
        return Price(self.cost.amount / self.filled.amount, Symbol(self.filled.asset, self.cost.currency))

    def fields(self) -> dict[str, str]:
        """Return them as fields of the order's record."""
        return {
            "filled_size": plain(self.filled.amount),
            "cost": plain(self.cost.amount),
            "fee": plain(self.fee.amount),
        }


def quote_fee(order: VenueOrder) -> Money:
    """Return an order's fee in its quote currency."""
    quote = order.symbol.quote
    if order.fee_asset == quote:
        return Money(order.fee, quote)
    price = order.average_price
    return Money(order.fee * price.amount if price else ZERO, quote)


def received_quantity(order: VenueOrder) -> Quantity:
    """Return what an order brought into the account: a fee in base leaves less than was bought."""
    if order.side is Side.BUY and order.fee_asset == order.symbol.base:
        return Quantity(max(order.filled.amount - order.fee, ZERO), order.symbol.base)
    return order.filled
