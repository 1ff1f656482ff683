"""The equity of each account at the end of each UTC day, and how long something was held. All that is kept is one row a day."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.backtest.accounts.ledger import Ledger
from shared.domain.limits.risk_state import DAY_MS, next_day


class EquityCurve:
    """Instants in epoch ms. The first row is the start; the first and the last day may be parts of one."""

    def __init__(self, ledgers: Sequence[Ledger], start: int) -> None:
        self._ledgers = ledgers
        self._next = next_day(start)
        self._steps = 0
        self._held = [0] * len(ledgers)
        self.now = start
        self.instants = [start]
        self.rows = [self._row()]
        """The equity of each account, in the order of the ledgers."""

    def reach(self, at: int) -> None:
        """Record the days that ended before or at an instant, at the last prices before it."""
        while at >= self._next:
            self._record(self._next)
            self._next += DAY_MS

    def close(self, now: int) -> None:
        """Count a candle that ended at `now`."""
        self.now = now
        self._steps += 1
        for place, ledger in enumerate(self._ledgers):
            if ledger.open:
                self._held[place] += 1

    def finish(self) -> None:
        """Record the last day, also if only a part of it was run."""
        self.reach(self.now)
        if self.now > self.instants[-1]:
            self._record(self.now)

    def of(self, place: int) -> Sequence[Decimal]:
        """Return the equity of one account."""
        return [row[place] for row in self.rows]

    def exposure(self, place: int) -> float:
        """Return the share of candles at whose close an account held something (0..1)."""
        return self._held[place] / self._steps if self._steps else 0.0

    def _record(self, at: int) -> None:
        self.instants.append(at)
        self.rows.append(self._row())

    def _row(self) -> tuple[Decimal, ...]:
        return tuple(ledger.equity.amount for ledger in self._ledgers)
