"""Measures how long a strategy takes for a decision: the master pauses one that takes longer than its budget.

A backtest has no budget, so that without this an author would learn of it from the pause.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from shared.strategies.port import Context, Intent, Strategy, candles_needed


class SlowestDecisions:
    """The slowest decision of each strategy that is measured, in seconds, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def of(self, name: str, strategy: Strategy) -> Strategy:
        """Return the strategy, measured under a name."""
        return _Measured(name, strategy, self.seconds)


class _Measured:
    """A strategy whose decisions are measured; it decides what the one inside decides."""

    def __init__(self, name: str, inside: Strategy, seconds: dict[str, float]) -> None:
        self.name = name
        self.needs = inside.needs
        self.needs_held = candles_needed(inside, held=True)
        self._decide = inside.decide
        self._seconds = seconds

    def decide(self, context: Context) -> Sequence[Intent]:
        """Return the intents of the one inside."""
        begun = time.perf_counter()
        try:
            return self._decide(context)
        finally:
            taken = time.perf_counter() - begun
            if taken > self._seconds.get(self.name, 0.0):
                self._seconds[self.name] = taken
