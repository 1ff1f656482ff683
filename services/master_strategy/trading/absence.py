"""When the venue's "no such order" proves that an order of the master's never arrived, and never will.

By two clocks: the venue's, at the least that it can show, and one that does not step. An order that the venue has named is never
absent: it was there, and to believe lists that are behind would be to buy a second time.
"""

from __future__ import annotations

from typing import Final

from services.master_strategy.clock import Clock
from services.master_strategy.trading.own_order import INVISIBLE_MS, OwnOrder

_FURTHEST_DEADLINE_MS: Final = 60_000
"""No venue takes a deadline that is further ahead (docs.kraken.com, Add Order)."""


class AbsenceProofs:
    """By order: from when on, by the steady clock, an absence can be believed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._provable_at: dict[str, float] = {}

    def begin(self, own: OwnOrder) -> None:
        """Note that an order is sent now, or is taken up from an earlier run, under its deadline at the venue.

        By the steady clock that deadline is over once the venue's clock, from the least that it shows now, has run up to it.
        """
        until_deadline = min(max(own.deadline_at - self._clock.earliest(), 0), _FURTHEST_DEADLINE_MS)
        self._provable_at[own.id] = self._clock.steady() + (until_deadline + INVISIBLE_MS) / 1000

    def forget(self, own: OwnOrder) -> None:
        """Drop what is known of an order that has ended."""
        self._provable_at.pop(own.id, None)

    def conclusive(self, own: OwnOrder) -> bool:
        """Say whether everything that could still have arrived has arrived by now, and can be seen."""
        by_the_venue = self._clock.earliest() >= own.deadline_at + INVISIBLE_MS
        return by_the_venue and self._clock.steady() >= self._provable_at.get(own.id, float("inf"))
