"""The rate budget of one API key: Kraken's counters, mirrored on our side, so that the venue never has to refuse.

Kraken keeps a counter per key for lookups and one per key and pair for orders; each call adds its cost and the counters fall
with time, by the account's tier. A refused call prolongs the refusal, so it is cheaper to wait beforehand. An idle key sends at
once; a wait is exactly as long as the counter needs to fall.

It must never delay an order because of lookups: the two counters are independent, and no wait happens in the lane.
Sources: docs.kraken.com `guides/rest/ratelimits` and support 360045239571; KRAKEN.md, K19. Cancelling has a cost by the
order's age; Shoal's orders end by themselves, so only placing is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from shared.venues.errors import Unavailable
from shared.venues.meter import Meter

_LONGEST_QUEUE: Final = 30.0  # seconds; a lookup that would wait longer is refused
_KEPT_FREE: Final = 8.0  # left to others by a patient lookup: to search for an order costs 6, to query one costs 1
_LONGEST_PATIENCE: Final = 15.0  # seconds
_COSTS: Final = {"TradesHistory": 2.0, "Ledgers": 2.0, "QueryLedgers": 2.0, "OpenOrders": 2.0, "ClosedOrders": 2.0}
"""Lookups that cost more than one. Open and closed orders are 1 by the guide and 2 by Kraken's own SDK: count the higher."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum of the two counters, and how much they fall per second."""

    lookups: float
    lookups_decay: float
    orders: float
    orders_decay: float


class Tier(Enum):
    """Verification tiers of a Kraken account."""

    STARTER = Limits(15, 0.33, 60, 1.00)
    INTERMEDIATE = Limits(20, 0.50, 125, 2.34)
    PRO = Limits(20, 1.00, 180, 3.75)


_BY_MOST_ORDERS: Final = {tier.value.orders: tier for tier in Tier}
"""A private stream names the maximum of the counter for orders, `maxratecount` (K34)."""


class RateBudget:
    """The counters of one API key. Without a tier nothing is counted: only the venue limits calls."""

    def __init__(
        self,
        tier: Tier | None,
        *,
        learns: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """With `learns` the tier is a guess, until the venue names it."""
        self._learns = learns
        self._limits = None if tier is None else tier.value
        self._monotonic = monotonic
        self._sleep = sleep
        self._lookups = None if tier is None else Meter(tier.value.lookups, tier.value.lookups_decay, monotonic)
        self._orders: dict[str, Meter] = {}

    def learn(self, most_orders: int) -> bool:
        """Take over the tier whose counter for orders has this maximum; False where that changes nothing.

        What was counted so far stays counted. A tier that was set is kept, and so is the guess for an unknown number.
        """
        tier = _BY_MOST_ORDERS.get(most_orders) if self._learns else None
        if tier is None or tier.value == self._limits:
            return False
        self._limits = tier.value
        if self._lookups is not None:
            self._lookups.adjust(tier.value.lookups, tier.value.lookups_decay)
        for meter in self._orders.values():
            meter.adjust(tier.value.orders, tier.value.orders_decay)
        return True

    async def admit_lookup(self, method: str, *, patient: bool = False) -> None:
        """Wait until a lookup fits; with `patient`, until others fit beside it. Raises Unavailable when the queue is too long."""
        if self._lookups is None:
            return
        cost = _COSTS.get(method, 1.0)
        if patient:
            await self._let_others_ask(self._lookups, cost)
        wait = self._lookups.wait(cost)
        if wait > _LONGEST_QUEUE:
            raise Unavailable(f"this key has sent too many calls to Kraken; {method} fits in {wait:.0f} s", wait)
        await self._reserved(self._lookups, cost)

    async def _let_others_ask(self, lookups: Meter, cost: float) -> None:
        end = self._monotonic() + _LONGEST_PATIENCE
        while (wait := min(lookups.wait(cost + _KEPT_FREE), end - self._monotonic())) > 0:
            await self._sleep(wait)

    async def admit_order(self, pair: str, *, patience: float) -> None:
        """Wait until an order on a pair fits. Raises Unavailable if that takes longer than `patience` seconds."""
        meter = self._meter(pair)
        if meter is None:
            return
        wait = meter.wait(1.0)
        if wait > 0 and wait >= patience:
            raise Unavailable(f"this account has sent too many orders on {pair}; the next fits in {wait:.1f} s", wait)
        await self._reserved(meter, 1.0)

    async def _reserved(self, meter: Meter, cost: float) -> None:
        """Reserve a cost and wait until the call may be sent; a cancelled wait, as at the end of a turn, costs nothing."""
        if (wait := meter.reserve(cost)) > 0:
            try:
                await self._sleep(wait)
            except asyncio.CancelledError:
                meter.give_back(cost)
                raise

    def lookups_exceeded(self) -> float:
        """Record that the venue refused a lookup for its rate; return the seconds to wait."""
        return 0.0 if self._lookups is None else self._lookups.overflow()

    def orders_exceeded(self, pair: str) -> float:
        """Record that the venue refused an order for its rate; return the seconds to wait."""
        meter = self._meter(pair)
        return 0.0 if meter is None else meter.overflow()

    def _meter(self, pair: str) -> Meter | None:
        if self._limits is None:
            return None
        if pair not in self._orders:
            self._orders[pair] = Meter(self._limits.orders, self._limits.orders_decay, self._monotonic)
        return self._orders[pair]
