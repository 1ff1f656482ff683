"""The hash `shoal:risk:{user}:<venue>`: profit and loss of copying, trades of the day, and a stop-out. By the executor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from shared.contracts.fields import VERSION, Amount, Count, Instant, Message, Number, Positive, type_or_blank
from shared.domain.limits.policy import StopOutAction
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.values.money import Money, plain

_SEPARATOR: Final = ","
_AMOUNT: Final = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_GROWTH: Final = r"(?!0+(?:\.0*)? )[0-9]{1,18}(?:\.[0-9]{1,40})?"
_PLAIN: Final = re.compile(
    rf"{VERSION} ([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}) ([0-9]{{1,15}}) ([A-Z0-9.]{{1,16}}) "
    rf"(-?{_AMOUNT}) (-?{_AMOUNT}) (-?{_AMOUNT}) ((?:{_AMOUNT})?) "
    rf"({_GROWTH}) ({_GROWTH}) ({_GROWTH}) 0    ([0-9]{{1,13}})"
)
"""The values of a state without a stop-out, as Shoal writes them, with blanks between. Nearly every state is such a one."""


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


_NAMES: Final = tuple(RiskRecord.model_fields)


def write_risk(state: RiskState) -> dict[str, str]:
    """Write a state as the fields of its hash. The schema is for what is not plain: each order writes one."""
    if not state.stopped_until and not state.stopped_by and state.stopped_action is None and not state.stopped_reason:
        fields = {
            "v": VERSION,
            "day": state.day,
            "trades_today": str(state.trades_today),
            "currency": state.currency,
            "realized": plain(state.realized.amount),
            "pnl": plain(state.pnl.amount),
            "day_start_pnl": plain(state.day_start_pnl.amount),
            "equity": "" if state.equity is None else plain(state.equity.amount),
            "growth": plain(state.growth),
            "day_start_growth": plain(state.day_start_growth),
            "peak_growth": plain(state.peak_growth),
            "stopped_until": "0",
            "stopped_by": "",
            "stopped_action": "",
            "stopped_reason": "",
            "as_of": str(state.as_of),
        }
        if _PLAIN.fullmatch(" ".join(fields.values())):
            return fields
    return RiskRecord.from_domain(state).fields()


def read_risk(fields: Mapping[str, str]) -> RiskState:
    """Read a state from the fields of its hash. Raises MalformedMessageError."""
    match = _PLAIN.fullmatch(" ".join([fields.get(name, "-") for name in _NAMES]))
    if match is None:
        return RiskRecord.parse(fields).to_domain()
    day, trades, currency, realized, pnl, start, equity, growth, start_growth, peak, as_of = match.groups()
    return RiskState(
        day=day,
        trades_today=int(trades),
        realized=Money(Decimal(realized), currency),
        pnl=Money(Decimal(pnl), currency),
        day_start_pnl=Money(Decimal(start), currency),
        equity=Money(Decimal(equity), currency) if equity else None,
        growth=Decimal(growth),
        day_start_growth=Decimal(start_growth),
        peak_growth=Decimal(peak),
        stopped_until=0,
        stopped_by=(),
        stopped_action=None,
        stopped_reason="",
        as_of=int(as_of),
    )
