"""When `trend` sells what it holds, beside the stop and the targets that are recorded with the position. Pure."""

from __future__ import annotations

from shared.strategies.port import Holding
from shared.strategies.trend.conditions import OPPOSITE_TREND, OPPOSITE_TRIGGER
from shared.strategies.trend.reading import Reading, is_below


def exit_reason(reading: Reading, held: Holding) -> str:
    """Return why the whole position must be sold; an empty text if it need not."""
    settings = reading.settings
    if crossed_below(reading, held.opened_at):
        return f"EMA {settings.ema_fast} crossed below EMA {settings.ema_middle}"
    if OPPOSITE_TREND.holds(reading, settings.opposite_trend_conditions) and OPPOSITE_TRIGGER.holds(
        reading, settings.opposite_trigger_conditions
    ):
        trend, trigger = OPPOSITE_TREND.met(reading), OPPOSITE_TRIGGER.met(reading)
        return f"opposite: trend {len(trend)} of 5 ({', '.join(trend)}), trigger {len(trigger)} of 5 ({', '.join(trigger)})"
    return ""


def crossed_below(reading: Reading, opened_at: int) -> bool:
    """Return whether the fast EMA is below the middle one, and was not at some candle since the entry (epoch ms).

    Not only at the candle of the crossing: an exit that could not be sent then is decided again at the next candle. A position
    that is older than the window is sold as well if the fast EMA has been below for all of it.
    """
    if not is_below(reading.ema_fast, reading.ema_middle):
        return False
    candles, below = reading.candles, reading.fast_below_middle
    period = candles[-1].opened_at - candles[-2].opened_at
    seen = candles[-len(below) :]
    known = [was for candle, was in zip(seen, below, strict=True) if candle.opened_at + 2 * period > opened_at]
    return not all(known) or len(known) == len(below)
