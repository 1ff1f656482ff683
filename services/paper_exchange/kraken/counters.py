"""Kraken's two rate counters: REST calls per API key, trading per account and pair. They decay on the wall clock.

Figures: shared/venues/kraken/KRAKEN.md, K19; costs of cancelling and amending by an order's age: docs.kraken.com
guides/general/ratelimits and the rate limits of Kraken's SDK. A refused REST call still counts a little, because calling while
limited prolongs the limit. Cancels are never refused: they only cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Tier:
    """The maximum of each counter and its decay per second."""

    rest_max: float
    rest_decay: float
    trading_max: float
    trading_decay: float


TIERS: Final = {
    "starter": Tier(15, 0.33, 60, 1.0),
    "intermediate": Tier(20, 0.5, 125, 2.34),
    "pro": Tier(20, 1.0, 180, 3.75),
    "unlimited": Tier(float("inf"), 1.0, float("inf"), 1.0),  # not Kraken's: for load tests
}
OVERSHOOT: Final = 1.25  # how far refused calls can push a counter over its maximum


class AgeCost(Enum):
    """The cost of an operation by the age of its order: (younger than seconds, cost)."""

    AMEND = ((5, 3), (10, 2), (15, 1))
    EDIT = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
    CANCEL = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))

    def cost(self, age: float) -> int:
        """Return the part of the cost that depends on age (seconds)."""
        for limit, cost in self.value:
            if age < limit:
                return int(cost)
        return 0


class Counters:
    """All counters of the venue, by name (any hashable)."""

    def __init__(self) -> None:
        self._values: dict[object, tuple[float, float]] = {}

    def charge(self, name: object, now: float, cost: float, maximum: float, decay: float) -> bool:
        """Add to a counter. Return whether it is still within its maximum."""
        value = self.value(name, now, decay) + cost
        fits = value <= maximum
        self._values[name] = (value if fits else min(value, maximum * OVERSHOOT), now)
        return fits

    def value(self, name: object, now: float, decay: float) -> float:
        """Return a counter as it is now."""
        value, at = self._values.get(name, (0.0, now))
        return max(0.0, value - max(0.0, now - at) * decay)
