"""How closely an account has followed the master: the tracking error of what copying has returned.

A return is the profit of copying in one interval over the equity at its start, so deposits, withdrawals and the user's own coins
do not count. The tracking error is the standard deviation of the differences between the user's and the master's returns in the
same intervals; the mean difference says which of the two was ahead. Both in percentage points per interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from shared.contracts.equity_sample import EquitySample
from shared.domain.values.money import ZERO
from shared.ledger.performance.equity import CurvePoint

_PERCENT: Final = Decimal(100)
_LEAST: Final = 2
"""Differences that a standard deviation needs."""


@dataclass(frozen=True, slots=True)
class TrackingError:
    """`intervals` both accounts have returns in; errors in percentage points per interval, None if there are too few."""

    intervals: int
    error: Decimal | None
    mean: Decimal | None


def tracking_error(user: Sequence[CurvePoint], master: Sequence[CurvePoint]) -> TrackingError:
    """Compare two curves of one resolution, oldest first."""
    mine, masters = returns(user), returns(master)
    found = [mine[start] - masters[start] for start in sorted(mine.keys() & masters.keys())]
    if len(found) < _LEAST:
        return TrackingError(len(found), None, None)
    mean = sum(found, ZERO) / len(found)
    squares = sum(((each - mean) ** 2 for each in found), ZERO)
    return TrackingError(len(found), (squares / (len(found) - 1)).sqrt() * _PERCENT, mean * _PERCENT)


def returns(curve: Sequence[CurvePoint]) -> Mapping[int, Decimal]:
    """Return what copying has returned until each sample since the one before it, by the start of the later one's interval.

    An interval has none if the profit or the equity was not known, or was counted in another currency.
    """
    found = {}
    for before, after in pairwise(curve):
        change = _profit(before.sample, after.sample)
        if change is not None and before.sample.equity:
            found[after.start] = change / before.sample.equity
    return found


def _profit(before: EquitySample, after: EquitySample) -> Decimal | None:
    if before.pnl is None or after.pnl is None or before.currency != after.currency:
        return None
    return after.pnl - before.pnl
