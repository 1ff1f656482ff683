"""One figure by another in each round of a run: what may be compared on a machine that is never quiet."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Final

WIDE: Final = 0.5
"""Spread (of the middle half of the rounds, by their median) above which a ratio is not judged."""
_FEWEST: Final = 3
"""Rounds below which nothing is judged."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One thing by another, round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The width of the middle half of the rounds, by the median."""
        if len(self.rounds) < _FEWEST:
            return float("inf")
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return (high - low) / self.median if self.median else float("inf")

    @property
    def judgeable(self) -> bool:
        """Whether the rounds agree well enough to be judged."""
        return self.spread <= WIDE
