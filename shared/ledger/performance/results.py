"""What an account holds from copying, and what copying has made: pure figures of one symbol and of one account.

How the parts add up, for a symbol and for every sum of symbols in one currency, to the last digit:

    realised    = received - fees of sales - cost of what was sold
    unrealised  = value of what is held - its cost
    P&L         = realised + unrealised
                = cash flow + value - adjusted cost
    cash flow   = received - spent - fees

The cost of a purchase includes fees that were taken in quote, so fees are a part of the P&L and are never subtracted again. Fees
that were taken in base reduce what is held; they have no price of their own. The adjusted cost is zero unless a position was
changed otherwise than by a trade (`TradeTotals.adjusted`).

A figure that needs a price which is not known is None, never zero and never the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from shared.domain.account import Account
from shared.domain.position import Position
from shared.domain.trade_totals import TradeTotals, minus, plus, times
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol


@dataclass(frozen=True, slots=True)
class SymbolResult:
    """One symbol of one account. `price` is the last published one, `price_at` its instant (epoch ms)."""

    user: str
    venue: str
    symbol: Symbol
    held: Position
    totals: TradeTotals
    price: Price | None = None
    price_at: int | None = None

    @property
    def average_cost(self) -> Price | None:
        """Return the average cost of what is held, buying fees included; None if nothing is held."""
        if self.held.size.amount <= 0:
            return None
        return Price(self.held.cost.amount / self.held.size.amount, self.symbol)

    @property
    def value(self) -> Money | None:
        """Return the value of what is held; None if something is held and its price is not known."""
        if self.held.size.amount <= 0:
            return Money(ZERO, self.symbol.quote)
        if self.price is None:
            return None
        return Money(times(self.held.size.amount, self.price.amount), self.symbol.quote)

    @property
    def unrealized(self) -> Money | None:
        """Return value less cost; None if the value is not known."""
        value = self.value
        return None if value is None else Money(minus(value.amount, self.held.cost.amount), self.symbol.quote)

    @property
    def realized(self) -> Money:
        """Return what sales have made."""
        return self.totals.realized

    @property
    def pnl(self) -> Money | None:
        """Return realised and unrealised profit; None if the value is not known."""
        open_profit = self.unrealized
        if open_profit is None:
            return None
        return Money(plus(self.realized.amount, open_profit.amount), self.symbol.quote)

    @property
    def adjusted(self) -> tuple[Quantity, Money]:
        """Return size and cost that trades do not explain."""
        return self.totals.adjusted(self.held)


@dataclass(frozen=True, slots=True)
class ResultSums:
    """The sums of symbols in one currency. None where one of the `unpriced` symbols hides the figure."""

    currency: str
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    cash_flow: Decimal = ZERO
    adjusted_cost: Decimal = ZERO
    known_value: Decimal = ZERO
    known_unrealized: Decimal = ZERO
    trades: int = 0
    unpriced: tuple[Symbol, ...] = ()

    @property
    def value(self) -> Decimal | None:
        """Return the value of what is held."""
        return None if self.unpriced else self.known_value

    @property
    def unrealized(self) -> Decimal | None:
        """Return the unrealised profit."""
        return None if self.unpriced else self.known_unrealized

    @property
    def pnl(self) -> Decimal | None:
        """Return realised and unrealised profit."""
        return None if self.unpriced else plus(self.realized, self.known_unrealized)

    def with_symbol(self, result: SymbolResult) -> ResultSums:
        """Return the sums with one more symbol of this currency."""
        value, gain = result.value, result.unrealized
        return ResultSums(
            currency=self.currency,
            cost=plus(self.cost, result.held.cost.amount),
            realized=plus(self.realized, result.realized.amount),
            fees=plus(self.fees, result.totals.fees.amount),
            cash_flow=plus(self.cash_flow, result.totals.cash_flow.amount),
            adjusted_cost=plus(self.adjusted_cost, result.adjusted[1].amount),
            known_value=plus(self.known_value, ZERO if value is None else value.amount),
            known_unrealized=plus(self.known_unrealized, ZERO if gain is None else gain.amount),
            trades=self.trades + result.totals.trades,
            unpriced=self.unpriced if value is not None else (*self.unpriced, result.symbol),
        )


@dataclass(frozen=True, slots=True)
class AccountResult:
    """One account. `account` is its record (None: there is none), `unreadable` the records that were left out, with the error."""

    user: str
    venue: str
    account: Account | None
    symbols: Sequence[SymbolResult] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> Sequence[SymbolResult]:
        """Return the symbols of which something is held."""
        return [each for each in self.symbols if each.held.size.amount > 0]

    @property
    def sums(self) -> Mapping[str, ResultSums]:
        """Return the sums by currency, each of the symbols that are quoted in it: currencies are never added."""
        return sum_results(self.symbols)

    @property
    def equity(self) -> Money | None:
        """Return the equity of the whole account as it was last recorded."""
        return self.account.equity if self.account is not None else None


def sum_results(symbols: Iterable[SymbolResult]) -> dict[str, ResultSums]:
    """Return the sums of symbols by quote currency, in alphabetical order."""
    found: dict[str, ResultSums] = {}
    for each in symbols:
        currency = each.symbol.quote
        found[currency] = found.get(currency, ResultSums(currency)).with_symbol(each)
    return dict(sorted(found.items()))
