"""What filled, summed over the legs of an order, from the venue's own records."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.venues.port import VenueOrder


@dataclass(frozen=True, slots=True)
class LegTotals:
    """The sums over all ended legs of an order. `fee` in quote; a fee in base is valued at the fill price.

    `base_fee` is the part of the fees that the venue took in base, `base_fee_value` what it counts for in `fee`.
    """

    filled: Quantity
    cost: Money
    fee: Money
    base_fee: Decimal = ZERO
    base_fee_value: Decimal = ZERO

    @staticmethod
    def nothing(symbol: Symbol) -> LegTotals:
        """Return the totals of an order that traded nothing."""
        return LegTotals(Quantity(ZERO, symbol.base), Money(ZERO, symbol.quote), Money(ZERO, symbol.quote))

    def plus(self, order: VenueOrder) -> LegTotals:
        """Add a leg's record."""
        fee = quote_fee(order)
        return LegTotals(
            self.filled + order.filled,
            self.cost + order.cost,
            self.fee + fee,
            self.base_fee + base_fee(order).amount,
            self.base_fee_value + fee.amount - paid_fee(order).amount,
        )

    @property
    def fee_in_quote(self) -> Decimal:
        """Return the part of the fees that the venue took in quote."""
        return self.fee.amount - self.base_fee_value

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
            **self._in_base(),
        }

    def report_fields(self) -> dict[str, Decimal]:
        """Return what a report states exactly beside the average price; empty if nothing filled."""
        if self.filled.amount == 0:
            return {}
        exact = {"cost": self.cost.amount}
        return exact | {"fee_quote": self.fee_in_quote, "fee_base": self.base_fee} if self.base_fee else exact

    def _in_base(self) -> dict[str, str]:
        if not self.base_fee:
            return {}
        return {"fee_quote": plain(self.fee_in_quote), "fee_base": plain(self.base_fee)}


def quote_fee(order: VenueOrder) -> Money:
    """Return an order's fee in its quote currency."""
    quote = order.symbol.quote
    if order.fee_asset == quote:
        return Money(order.fee, quote)
    price = order.average_price
    return Money(order.fee * price.amount if price else ZERO, quote)


def paid_fee(order: VenueOrder) -> Money:
    """Return the fee that the venue took in quote; nothing if it took it in base."""
    return Money(order.fee if order.fee_asset == order.symbol.quote else ZERO, order.symbol.quote)


def base_fee(order: VenueOrder) -> Quantity:
    """Return the fee that the venue took in base; nothing if it took it in quote."""
    return Quantity(order.fee if order.fee_asset == order.symbol.base else ZERO, order.symbol.base)


def delivered_quantity(order: VenueOrder) -> Quantity:
    """Return what a sale took out of the account: a fee in base comes on top of what was sold."""
    return order.filled + base_fee(order)


def received_quantity(order: VenueOrder) -> Quantity:
    """Return what an order brought into the account: a fee in base leaves less than was bought."""
    if order.side is Side.BUY and order.fee_asset == order.symbol.base:
        return Quantity(max(order.filled.amount - order.fee, ZERO), order.symbol.base)
    return order.filled
