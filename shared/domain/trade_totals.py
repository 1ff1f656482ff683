"""What copying has traded in one symbol of an account: sums that only grow, kept for as long as the account exists.

They are written in the same step as the position that a fill changes. What is held and its cost are not among them: the position
is the authority for both. Where the two differ, the position was changed otherwise than by a trade; see `adjusted`.

Cost basis is the average cost: fees that are taken in quote are part of the cost of a purchase, fees that are taken in base
reduce what is held. Sums are exact: no sum of amounts that a venue states is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Final

from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.values.money import ZERO, Money, Quantity
from shared.domain.values.symbol import Symbol

_EXACT: Final = Context(prec=120)
"""Amounts have up to 20 digits before the point and 100 after it."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What an order, or a part of one, has filled: base size, quote cost before fees, and the fees by where they were taken."""

    side: Side
    size: Decimal
    cost: Decimal
    fee: Decimal
    base_fee: Decimal


@dataclass(frozen=True, slots=True)
class TradeTotals:
    """The sums of one symbol; base amounts in base, money in quote, instants in epoch ms (0: none yet)."""

    symbol: Symbol
    bought: Decimal = ZERO
    spent: Decimal = ZERO
    """Paid for what was bought, before fees."""
    buy_fees: Decimal = ZERO
    sold: Decimal = ZERO
    received: Decimal = ZERO
    """Received for what was sold, before fees."""
    sell_fees: Decimal = ZERO
    base_fees: Decimal = ZERO
    """Fees that were taken in base, of purchases and sales."""
    sold_cost: Decimal = ZERO
    """What the coins that were sold had cost, fees of the purchase included."""
    trades: int = 0
    """Orders that filled and have ended."""
    first_at: int = 0
    last_at: int = 0

    def after(self, fill: Fill, before: Position, held: Position, at: int) -> TradeTotals:
        """Return the sums after a fill that changed the position from `before` to `held`."""
        first_at, last_at = self.first_at or at, max(self.last_at, at)
        base_fees = plus(self.base_fees, fill.base_fee)
        if fill.side is Side.BUY:
            return replace(
                self,
                bought=plus(self.bought, fill.size),
                spent=plus(self.spent, fill.cost),
                buy_fees=plus(self.buy_fees, fill.fee),
                base_fees=base_fees,
                first_at=first_at,
                last_at=last_at,
            )
        return replace(
            self,
            sold=plus(self.sold, fill.size),
            received=plus(self.received, fill.cost),
            sell_fees=plus(self.sell_fees, fill.fee),
            base_fees=base_fees,
            sold_cost=plus(self.sold_cost, minus(before.cost.amount, held.cost.amount)),
            first_at=first_at,
            last_at=last_at,
        )

    def ended(self) -> TradeTotals:
        """Return the sums after an order that filled has ended."""
        return replace(self, trades=self.trades + 1)

    @property
    def realized(self) -> Money:
        """Return what sales have made: proceeds less their fees less the average cost of what was sold."""
        return Money(minus(minus(self.received, self.sell_fees), self.sold_cost), self.symbol.quote)

    @property
    def fees(self) -> Money:
        """Return the fees that were taken in quote; they are part of the cost and of what sales have made."""
        return Money(plus(self.buy_fees, self.sell_fees), self.symbol.quote)

    @property
    def cash_flow(self) -> Money:
        """Return what trading has changed the cash by: proceeds less payments less fees."""
        return Money(minus(minus(self.received, self.spent), self.fees.amount), self.symbol.quote)

    @property
    def expected_size(self) -> Quantity:
        """Return what would be held if the position had changed by trades only; below zero if more was sold than was bought."""
        return Quantity(minus(minus(self.bought, self.sold), self.base_fees), self.symbol.base)

    @property
    def expected_cost(self) -> Money:
        """Return what it would have cost."""
        return Money(minus(plus(self.spent, self.buy_fees), self.sold_cost), self.symbol.quote)

    def adjusted(self, held: Position) -> tuple[Quantity, Money]:
        """Return by how much size and cost of a position differ from its trades.

        Negative: coins were sold or moved outside of Shoal, or written off as dust. Positive: it was held before the sums began,
        or it was moved here from a former name of the symbol.
        """
        size = minus(held.size.amount, self.expected_size.amount)
        cost = minus(held.cost.amount, self.expected_cost.amount)
        return Quantity(size, self.symbol.base), Money(cost, self.symbol.quote)


def plus(one: Decimal, other: Decimal) -> Decimal:
    """Add without rounding."""
    return _EXACT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """Subtract without rounding."""
    return _EXACT.subtract(one, other)


def times(one: Decimal, other: Decimal) -> Decimal:
    """Multiply without rounding."""
    return _EXACT.multiply(one, other)
