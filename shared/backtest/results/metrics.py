"""The usual figures of a series of daily returns, as `empyrical` defines them with 365 periods a year: crypto trades every day.

Ratios are floats: they are estimates, not money. A figure that is not defined (no return varies, no day has a loss) is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import fmean
from typing import Final

DAYS_A_YEAR: Final = 365
_FLAT: Final = 1e-15
"""A deviation below this is rounding of the same return on each day."""


def daily_returns(equity: Sequence[Decimal]) -> list[float]:
    """Return the return of each day from the equity at the days' ends; 0 for a day that begins with nothing."""
    return [float(later / earlier - 1) if earlier > 0 else 0.0 for earlier, later in pairwise(equity)]


def total_return(returns: Sequence[float]) -> float:
    """Return the compounded return, 0.1 for 10 %."""
    return math.prod(1 + each for each in returns) - 1


def annual_return(returns: Sequence[float]) -> float | None:
    """Return the compound annual growth rate (CAGR); None without a day."""
    if not returns:
        return None
    return float((1 + total_return(returns)) ** (DAYS_A_YEAR / len(returns)) - 1)


def max_drawdown(returns: Sequence[float]) -> float:
    """Return the largest loss from a peak by the days' ends, as a negative number or 0."""
    value = peak = 1.0
    worst = 0.0
    for each in returns:
        value *= 1 + each
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    return worst


def sharpe_ratio(returns: Sequence[float]) -> float | None:
    """Return the mean daily return over its sample deviation, annualised; the risk-free rate is 0."""
    if len(returns) < 2:
        return None
    mean = fmean(returns)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1))
    return None if deviation < _FLAT else mean / deviation * math.sqrt(DAYS_A_YEAR)


def sortino_ratio(returns: Sequence[float]) -> float | None:
    """Return the mean daily return over its downside deviation (root mean square of the losses), annualised; the target is 0."""
    if len(returns) < 2:
        return None
    downside = math.sqrt(fmean(min(each, 0.0) ** 2 for each in returns))
    return None if downside < _FLAT else fmean(returns) / downside * math.sqrt(DAYS_A_YEAR)
