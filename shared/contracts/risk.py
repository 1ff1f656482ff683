"""The hash `shoal:risk:{user}:<venue>`: profit and loss of copying, trades of the day, and a stop-out. By the executor."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from shared.contracts.fields import Amount, Count, Instant, Message, Number, Positive, type_or_blank
from shared.domain.limits.policy import StopOutAction
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.values.money import Money

_SEPARATOR: Final = ","


def _names(value: object) -> object:
    return tuple(part for part in value.split(_SEPARATOR) if part) if isinstance(value, str) else value


class RiskRecord(Message):
    """Amounts in `currency`; the growths are what 1 has become by copying: now, at the start of the day, at the peak."""

    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    trades_today: Count = 0
    currency: str = "USD"
    realized: Number
    pnl: Number
    day_start_pnl: Number
    equity: Annotated[Amount | None, type_or_blank] = None
    growth: Positive
    day_start_growth: Positive
    peak_growth: Positive
    stopped_until: Instant = 0
    stopped_by: Annotated[tuple[StopOut, ...], BeforeValidator(_names)] = ()
    stopped_action: Annotated[StopOutAction | None, type_or_blank] = None
    stopped_reason: str = ""
    as_of: Instant

    def to_domain(self) -> RiskState:
        """Return the risk state, with units."""
        return RiskState(
            day=self.day,
            trades_today=self.trades_today,
            realized=Money(self.realized, self.currency),
            pnl=Money(self.pnl, self.currency),
            day_start_pnl=Money(self.day_start_pnl, self.currency),
            equity=None if self.equity is None else Money(self.equity, self.currency),
            growth=self.growth,
            day_start_growth=self.day_start_growth,
            peak_growth=self.peak_growth,
            stopped_until=self.stopped_until,
            stopped_by=self.stopped_by,
            stopped_action=self.stopped_action,
            stopped_reason=self.stopped_reason,
            as_of=self.as_of,
        )

    @staticmethod
    def from_domain(state: RiskState) -> RiskRecord:
        """Return the record of a risk state, without units."""
        return RiskRecord(
            day=state.day,
            trades_today=state.trades_today,
            currency=state.currency,
            realized=state.realized.amount,
            pnl=state.pnl.amount,
            day_start_pnl=state.day_start_pnl.amount,
            equity=state.equity.amount if state.equity else None,
            growth=state.growth,
            day_start_growth=state.day_start_growth,
            peak_growth=state.peak_growth,
            stopped_until=state.stopped_until,
            stopped_by=state.stopped_by,
            stopped_action=state.stopped_action,
            stopped_reason=state.stopped_reason,
            as_of=state.as_of,
        )

    def fields(self) -> dict[str, str]:
        """Return the record as flat text; the rules behind a stop-out as a comma-separated list."""
        return {**super().fields(), "stopped_by": _SEPARATOR.join(self.stopped_by)}
