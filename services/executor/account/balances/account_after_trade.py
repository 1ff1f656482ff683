"""What one trade changes in an account's record: computed without a question, so that it is written with the trade's end.

The coins of the traded pair are valued by the trade's own price, everything else as it was in the record: a reading of all
prices follows within half a minute. It must never guess: what does not follow from the record and the trade is left to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.account import Account
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, plain
from shared.venues.holdings import owned
from shared.venues.port import Balances, VenueOrder


@dataclass(frozen=True, slots=True)
class AccountAfterTrade:
    """An account as its record says it together with a trade's end."""

    account: Account
    version: int
    """Of the record that it was computed from."""
    valued_at: Price | None = None
    """The price by which its equity contains the coins of the pair; None if the trade was in the record already."""

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of the record that change."""
        known = {"equity": self.account.equity, "cash": self.account.cash}
        return {name: plain(amount.amount) for name, amount in known.items() if amount is not None}


def account_after(account: Account, balances: Balances, order: VenueOrder, valued_at: Price | None) -> Account | None:
    """Return an account after an order that moves its `balances`; None if that does not follow from these.

    `valued_at` is the price by which the record's equity contains the coins of the pair; None if it contains none.
    """
    symbol, price = order.symbol, order.average_price
    equity, cash = account.equity, account.cash
    if equity is None or cash is None or account.reason or price is None:
        return None
    if symbol.quote != cash.currency or order.fee_asset not in {symbol.base, symbol.quote}:
        return None
    if {symbol.base, symbol.quote} & set(balances.unreadable):
        return None
    before = owned(balances).get(symbol.base, ZERO)
    if before and valued_at is None:
        return None
    sign = 1 if order.side is Side.BUY else -1
    fee_in_base = order.fee if order.fee_asset == symbol.base else ZERO
    after = before + sign * order.filled.amount - fee_in_base
    paid = -sign * order.cost.amount - (order.fee if order.fee_asset == symbol.quote else ZERO)
    worth_before = before * valued_at.amount if valued_at is not None else ZERO
    moved = paid + after * price.amount - worth_before
    return account._replace(
        equity=Money(equity.amount + moved, equity.currency), cash=Money(cash.amount + paid, cash.currency)
    )
