"""How many orders an account has had lately: by this it is decided who gets one of the few connections to a venue.

A count that halves with time, not a list: it is noted with every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

HALF_LIFE: Final = 1_800.0
"""Seconds after which an order counts half."""
IDLE: Final = 0.05
"""Below this an account is idle: one order counts for a bit more than two hours."""


class OrdersLately:
    """The decaying count of one account. `steady` returns seconds of a clock that does not step."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._count = 0.0
        self._at = steady()

    @property
    def count(self) -> float:
        """The count as of now."""
        return self._count * math.pow(0.5, (self._steady() - self._at) / HALF_LIFE)

    @property
    def idle(self) -> bool:
        """Whether the account has had no order for hours."""
        return self.count < IDLE

    def note(self, orders: int = 1) -> None:
        """Count orders that were sent now."""
        self._count, self._at = self.count + orders, self._steady()
