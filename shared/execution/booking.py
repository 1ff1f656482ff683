"""How a fill changes the position that it was copied into: the one rule, for fills as they happen and for lost books.

A fee that the venue took in quote is part of the cost of a purchase. A fee that it took in base is no cost: less is held for the
same money. A sale takes the fee in base out of the position as well, because the account has lost it.
"""

from __future__ import annotations

from shared.domain.order import Side
from shared.domain.position import Position
from shared.execution.totals import delivered_quantity, paid_fee, received_quantity
from shared.venues.port import VenueOrder


def position_after(before: Position, order: VenueOrder, at: int) -> Position:
    """Return the position after what an order has filled; `at` in epoch ms."""
    if order.side is Side.BUY:
        return before.bought(received_quantity(order), order.cost + paid_fee(order), at, order.average_price)
    return before.sold(delivered_quantity(order), at)
