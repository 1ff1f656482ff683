"""An account's balances as last read, carried on by its own trades: what a fill changes need not be read again.

Trades count on the low side: a purchase counts until a reading that was requested after it was booked, a sale only if it ended
after the last reading was answered. It must never create a balance out of one that could not be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from shared.domain.account import Account
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money
from shared.execution.totals import quote_fee
from shared.venues.port import Balance, Balances, VenueOrder

_LAG_MS: Final = 10_000
"""How long a balance may lag behind a fill that has been booked."""


class CarriedBalances:
    """The last reading of one account, and the trades since."""

    def __init__(self) -> None:
        self.read_at = -math.inf
        """Steady instant at which the last reading was requested, seconds."""
        self.sure = False
        """Whether that reading is known to contain the trades of before it, and none of after it."""
        self._answered_at = 0
        self._traded: list[tuple[int, VenueOrder]] = []
        """What was traded since, with the instants (epoch ms) from which on a reading contains it."""
        self._carried: Balances | None = None
        """The reading and the first `_counted` of these trades."""
        self._counted = 0
        self._written = 0
        """How many of them the record contains."""
        self._booked_at = 0

    @property
    def known(self) -> bool:
        """Whether there is a reading."""
        return self._carried is not None

    @property
    def answered_at(self) -> int:
        """Return when the venue had answered the last reading (epoch ms); 0 before the first."""
        return self._answered_at

    @property
    def unwritten(self) -> bool:
        """Whether there are trades that the record does not contain."""
        return len(self._traded) > self._written

    def moved_by(self, order: VenueOrder) -> bool:
        """Return whether an order that ends moves the balances as they were last read: they may contain a sale already."""
        return order.side is Side.BUY or (order.closed_at is not None and order.closed_at > self._answered_at)

    def traded(self, order: VenueOrder, now: int) -> None:
        """Note an order that was booked at `now` (epoch ms)."""
        self._booked_at = now
        if self.moved_by(order):
            at = now if order.side is Side.BUY or order.closed_at is None else order.closed_at
            self._traded.append((at, order))

    def note_reading(self, balances: Balances, *, read_at: float, asked_at: int, answered_at: int) -> None:
        """Begin again with a reading; instants in epoch ms, `read_at` in steady seconds."""
        self.read_at, self._answered_at = read_at, answered_at
        self._traded = [
            (at, order)
            for at, order in self._traded
            if (at >= asked_at if order.side is Side.BUY else at > answered_at)
        ]
        self._carried, self._counted, self._written = balances, 0, 0
        self.sure = self._booked_at < asked_at - _LAG_MS

    def now(self) -> tuple[Balances, int]:
        """Return the balances after all trades, and how many these are. Raises RuntimeError if nothing was read yet."""
        if self._carried is None:
            raise RuntimeError("nothing was read yet")
        if new := self._traded[self._counted :]:
            self._carried, self._counted = carried(self._carried, [order for _, order in new]), len(self._traded)
        return self._carried, self._counted

    def note_written(self, trades: int) -> None:
        """Note that the record contains so many of the trades."""
        self._written = trades

    def note_all_written(self) -> None:
        """Note that the record contains all trades."""
        self._written = len(self._traded)

    def after_trades(self, account: Account | None) -> Account | None:
        """Return the account as last written, adjusted for the trades since; None if it is."""
        since = self._traded[self._written :]
        if account is None or account.cash is None or not since:
            return account
        currency = account.cash.currency
        effects = (_cash_effect(order) for _, order in since)
        traded = sum((cash.amount for cash in effects if cash.currency == currency), ZERO)
        return account._replace(cash=Money(account.cash.amount + traded, currency))


def carried(balances: Balances, orders: Iterable[VenueOrder]) -> Balances:
    """Return the balances after orders that have ended, with their fees, each in its asset."""
    known = dict(balances)

    def move(asset: str, amount: Decimal) -> None:
        if asset and asset not in balances.unreadable:
            before = known.get(asset) or Balance(asset, ZERO, ZERO)
            known[asset] = Balance(asset, before.total + amount, before.free + amount)

    for order in orders:
        sign = 1 if order.side is Side.BUY else -1
        move(order.symbol.base, sign * order.filled.amount)
        move(order.symbol.quote, -sign * order.cost.amount)
        move(order.fee_asset, -order.fee)
    return Balances(known, balances.unreadable)


def _cash_effect(order: VenueOrder) -> Money:
    """Return what an order has changed in the cash; a purchase is negative."""
    fee = quote_fee(order)
    return Money(-order.cost.amount, order.cost.currency) - fee if order.side is Side.BUY else order.cost - fee
