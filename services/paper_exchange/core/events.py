"""What happens in an account, told at once to those who listen: the private streams of the venues.

A listener must not await, raise or change anything: it is called in the middle of a call of the core, which is atomic. It sees
the order as it is after the change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from services.paper_exchange.core.account import Transfer
    from services.paper_exchange.core.order import Order, Trade


class Change(StrEnum):
    """What has happened to an order."""

    ACCEPTED = "accepted"  # not in the market yet: it may wait for its start time
    ENTERED = "entered"  # it trades at once, or rests
    TRADED = "traded"
    TRIGGERED = "triggered"  # the price has reached it
    AMENDED = "amended"
    ENDED = "ended"  # `Order.status` says how


class AccountListener(Protocol):
    """Something that is told what happens in one account."""

    def order_changed(self, order: Order, change: Change, trade: Trade | None) -> None:
        """Hear of a change of an order; `trade` is the fill if that is the change."""
        ...

    def funds_moved(self, transfer: Transfer) -> None:
        """Hear of a deposit, a withdrawal or a conversion."""
        ...
