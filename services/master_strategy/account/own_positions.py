"""What the built-in strategy bought itself, by symbol: all that it may ever sell.

Another bot or a person may trade on the same account; what they bought is theirs, although it is part of the position that
users copy. So the strategy decides and sells by this, never by the account. It changes in the step that ends an own order, and
is lowered only if the account has less.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.master_strategy.fills.fills import net_size
from shared.contracts.messages import ReportMessage
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import VenueOrder


class OwnPositions:
    """The strategy's own positions."""

    def __init__(self, recorded: Mapping[Symbol, Position] | None = None) -> None:
        self._positions = dict(recorded or {})

    def position(self, symbol: Symbol) -> Position:
        """Return what the strategy holds of a symbol; an empty position if nothing."""
        return self._positions.get(symbol) or Position.flat(symbol, 0)

    def held(self) -> dict[Symbol, Position]:
        """Return every position that is not empty."""
        return {symbol: position for symbol, position in self._positions.items() if position.size.amount > 0}

    def after(self, order: VenueOrder, at: int) -> Position:
        """Return the position after an own order that has ended, without changing it."""
        before, moved = self.position(order.symbol), net_size(order, order.filled)
        return before.bought(moved, order.cost, at) if order.side is Side.BUY else before.sold(moved, at)

    def put(self, position: Position) -> None:
        """Replace what is known of a position's symbol."""
        self._positions[position.symbol] = position

    def lowered(self, account: Quantity, at: int) -> list[Position]:
        """Return the positions in a coin that exceed what the account holds of it, lowered to that."""
        left, found = account, []
        for symbol, position in sorted(self.held().items(), key=lambda each: str(each[0])):
            if symbol.base != account.asset:
                continue
            if left < position.size:
                found.append(position.sold(position.size - left, at))
            left = left - min(left, position.size)
        return found


def from_reports(reports: Iterable[ReportMessage]) -> OwnPositions:
    """Derive the positions from the reports of own orders, oldest first: for a master that has not recorded them yet.

    From the reports and not from the signals: an order that has not ended has a signal already, and is added when it ends.
    """
    own = OwnPositions()
    for report in reports:
        if not report.filled_size or not report.average_price:
            continue
        size, price = Quantity(report.filled_size, report.symbol.base), Price(report.average_price, report.symbol)
        before, at = own.position(report.symbol), report.settled_at or 0
        own.put(before.bought(size, size * price, at) if report.side is Side.BUY else before.sold(size, at))
    return own
