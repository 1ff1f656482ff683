"""When `trend` enters, how much of the equity, and how the position ends by price. Pure.

What must never come out of here: an entry without a stop below its price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Enter
from shared.strategies.trend.conditions import TREND, TRIGGER
from shared.strategies.trend.reading import Reading
from shared.strategies.trend.settings import TrendSettings

_PER_CENT: Final = Decimal("0.01")
_DIGITS: Final = 8
"""Significant digits of a stop: finer than a venue's tick, and few enough to read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that the rules allow. The stronger the trend, the more it is wanted."""

    intent: Enter
    adx: float


def candidate(symbol: Symbol, reading: Reading) -> Candidate | None:
    """Return the entry, if filters, trend and trigger allow it and its stop is a price below the last close."""
    settings = reading.settings
    if not reading.volume_ok:
        return None
    if not TRIGGER.holds(reading, settings.trigger_conditions) or not TREND.holds(reading, settings.trend_conditions):
        return None
    if reading.adx < settings.min_adx:
        return None
    plan = exit_plan(reading)
    if plan is None:
        return None
    share = equity_share(reading.adx, settings)
    return Candidate(Enter(symbol, share, _reason(reading, plan), plan), reading.adx)


def equity_share(adx: float, settings: TrendSettings) -> Decimal:
    """Return the share of the equity (0..1] to enter with. At a boundary it is the smaller one."""
    percent = next((size.equity_pct for size in settings.sizes if adx <= size.adx_to), settings.size_above_pct)
    return percent * _PER_CENT


def exit_plan(reading: Reading) -> ExitPlan | None:
    """Return the stop, the targets and the trail of an entry at the last close; None if no stop above zero is below it."""
    settings, price = reading.settings, reading.last.close
    step = ONE.scaleb(price.adjusted() + 1 - _DIGITS)
    atr = Decimal(reading.atr).quantize(step)
    stop = (reading.swing_low - settings.stop_atr * atr).quantize(step, ROUND_FLOOR)
    trail = settings.trail_atr * atr
    if not 0 < stop < price or trail <= 0:
        return None
    risk = price - stop
    return ExitPlan(
        stop=stop,
        targets=tuple(Target(price + each.r * risk, each.sell_pct * _PER_CENT) for each in settings.targets),
        break_even=price,
        trail=trail,
    )


def _reason(reading: Reading, plan: ExitPlan) -> str:
    trend, trigger = TREND.met(reading), TRIGGER.met(reading)
    return (
        f"ADX {reading.adx:.1f}, trend {len(trend)} of 5 ({', '.join(trend)}), "
        f"trigger {len(trigger)} of 5 ({', '.join(trigger)}), stop {plan.stop}"
    )
