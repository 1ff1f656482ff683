"""What the strategies bought themselves, by strategy and symbol: all that they may ever sell.

Another bot or a person may trade on the same account; what they bought is theirs, although it is part of the position that
users copy. So a strategy decides and sells by this, never by the account, and never what another strategy bought. It changes in
the step that ends an own order, and is lowered only if the account has less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from services.master_strategy.fills.fills import net_size
from services.master_strategy.trading.own_order import OwnOrder
from shared.contracts.messages import ReportMessage
from shared.domain.order import Side
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.totals import paid_fee
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.own_position import FIRST, OwnPosition
from shared.venues.port import VenueOrder


class OwnPositions:
    """The strategies' own positions. What changes a record holds `changing` from reading a position until it is put."""

    def __init__(self, recorded: Iterable[OwnPosition] = ()) -> None:
        self._positions = {(each.strategy, each.symbol): each for each in recorded}
        self.changing = asyncio.Lock()

    def position(self, strategy: str, symbol: Symbol) -> OwnPosition:
        """Return what a strategy holds of a symbol; an empty position if nothing."""
        return self._positions.get((strategy, symbol)) or OwnPosition.flat(strategy, symbol, 0)

    def held(self, strategy: str | None = None) -> list[OwnPosition]:
        """Return every position that is not empty, of one strategy or of all."""
        positions = sorted(self._positions.values(), key=lambda each: (each.strategy, str(each.symbol)))
        return [each for each in positions if each.size.amount > 0 and strategy in {None, each.strategy}]

    def after(self, order: VenueOrder, own: OwnOrder, at: int) -> OwnPosition:
        """Return the position after an own order that has ended, without changing it."""
        before, moved = self.position(own.strategy, order.symbol), net_size(order, order.filled)
        if order.side is Side.BUY:
            return before.bought(moved, order.cost, paid_fee(order), at, plan=own.exit_plan, entered_at=own.entered_at)
        return before.sold(moved, at, plan=_plan_after_sale(before, order, own))

    def put(self, position: OwnPosition) -> None:
        """Replace what is known of a position."""
        self._positions[position.strategy, position.symbol] = position

    def lowered(self, account: Quantity, at: int) -> list[OwnPosition]:
        """Return the positions in a coin that exceed what the account holds of it, lowered to that."""
        left, found = account, []
        for own in self.held():
            if own.symbol.base != account.asset:
                continue
            if left < own.size:
                found.append(own.sold(own.size - left, at, plan=own.plan))
            left = left - min(left, own.size)
        return found


def _plan_after_sale(before: OwnPosition, order: VenueOrder, own: OwnOrder) -> ExitPlan | None:
    """Return the plan after a sale: a step of the plan is done when its whole sale has filled."""
    plan, step = before.plan, own.exit_step
    if plan is None or step is None or order.filled.amount <= 0:
        return plan
    if order.filled < own.size and order.filled < before.size:
        return plan.after_part(step, order.filled.amount / before.size.amount)
    return plan.after_exit(step, order.cost.amount / order.filled.amount)


def from_reports(reports: Iterable[ReportMessage], strategies: Mapping[str, str] | None = None) -> OwnPositions:
    """Derive the positions from the reports of own orders, oldest first: for a master that has not recorded them yet.

    `strategies` by the id of the order, as far as these are known. From the reports and not from the signals: an order that has
    not ended has a signal already, and is added when it ends.
    """
    own = OwnPositions()
    for report in reports:
        if not report.filled_size or not report.average_price:
            continue
        size, price = Quantity(report.filled_size, report.symbol.base), Price(report.average_price, report.symbol)
        strategy = (strategies or {}).get(report.order_id) or FIRST
        before, at = own.position(strategy, report.symbol), report.settled_at or 0
        fee = Money(report.fee or ZERO, report.symbol.quote)
        own.put(
            before.bought(size, size * price, fee, at, plan=None, entered_at=0)
            if report.side is Side.BUY
            else before.sold(size, at, plan=None)
        )
    return own
