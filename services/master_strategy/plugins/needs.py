"""How many candles a strategy needs: fewer may do for a symbol that it holds, so that it is looked after all the same."""

from __future__ import annotations

from dataclasses import dataclass

from shared.strategies.port import Strategy, candles_needed


@dataclass(frozen=True, slots=True)
class Needs:
    """Committed candles of a symbol: to enter, and to look after what is held."""

    entry: int
    held: int

    @staticmethod
    def of(strategy: Strategy) -> Needs:
        """Return what a strategy states."""
        return Needs(candles_needed(strategy, held=False), candles_needed(strategy, held=True))
