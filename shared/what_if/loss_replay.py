"""Stop-outs under other limits on losses: at each signal, from the losses that were measured then.

The losses are those of the trades that were really made, and only those at the moment of a signal: one that came and went between
two signals is not seen, and a trade that would not have been made still counts. It is an estimate, and what-if says so.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.domain.limits.policy import LimitPolicy
from shared.domain.limits.risk_state import DRAWDOWN_LASTS_MS, RiskState, StopOut, next_day
from shared.domain.values.money import ONE, plain

_HUNDRED: Final = Decimal(100)
_SHOWN: Final = Decimal("0.01")


class LossReplay:
    """The stop-outs of one account; ask it in the order of the signals."""

    def __init__(self) -> None:
        self._until = 0
        self._reason = ""
        self._rules: tuple[StopOut, ...] = ()
        self._day_from: tuple[str, Decimal] = ("", ONE)
        """From which growth on losses of a day count, after a stop-out of that day has ended."""
        self._peak: Decimal | None = None
        """The best growth since the last stop-out by drawdown has ended."""

    def risk(self, recorded: RiskState, limits: LimitPolicy, now: int) -> RiskState:
        """Return the risk state of a moment (epoch ms) as these limits would have left it."""
        if self._until and now >= self._until:
            self._lift(recorded)
        if self._peak is not None:
            self._peak = max(self._peak, recorded.growth)
        state = self._measured(recorded)
        self._stop(StopOut.DAILY_LOSS, state.daily_loss(now), limits.daily_loss_pct, now, limits)
        self._stop(StopOut.MAX_DRAWDOWN, state.drawdown, limits.max_drawdown_pct, now, limits)
        return replace(recorded, stopped_until=self._until, stopped_by=self._rules, stopped_reason=self._reason)

    def _measured(self, recorded: RiskState) -> RiskState:
        day, growth = self._day_from
        state = replace(recorded, day_start_growth=growth) if day == recorded.day else recorded
        return state if self._peak is None else replace(state, peak_growth=self._peak)

    def _lift(self, recorded: RiskState) -> None:
        if StopOut.DAILY_LOSS in self._rules:
            self._day_from = (recorded.day, recorded.growth)
        if StopOut.MAX_DRAWDOWN in self._rules:
            self._peak = recorded.growth
        self._until, self._reason, self._rules = 0, "", ()

    def _stop(self, rule: StopOut, loss: Decimal, limit: Decimal | None, now: int, limits: LimitPolicy) -> None:
        if limit is None or loss * _HUNDRED < limit or rule in self._rules:
            return
        usual = next_day(now) if rule is StopOut.DAILY_LOSS else now + DRAWDOWN_LASTS_MS
        end = usual if limits.stop_out_lasts_ms is None else now + limits.stop_out_lasts_ms
        self._rules = (*self._rules, rule)
        if end > self._until:
            percent = plain((loss * _HUNDRED).quantize(_SHOWN))
            what = "lost on the day" if rule is StopOut.DAILY_LOSS else "below the best"
            self._until, self._reason = end, f"{percent} % {what} (limits.{rule.value}_pct {plain(limit)})"
