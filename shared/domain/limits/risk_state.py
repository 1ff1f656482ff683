"""What copying has made or lost on one account, and whether a loss has stopped it.

Only the profit and loss of copying counts. Each update divides the change in profit since the last update by the equity of that
update, and compounds it into `growth`: what 1 has become by copying. A deposit, a withdrawal or a price rise of the user's own
coins changes the equity but not the profit, so it does not move `growth`: it neither triggers a stop-out nor hides one, and from
the next update on, losses are measured against the new equity.

The executor writes the state; the engine reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.limits.policy import LimitPolicy, StopOutAction
from shared.domain.position import Position
from shared.domain.values.money import ONE, ZERO, Money, Quantity, plain

DAY_MS: Final = 86_400_000
DRAWDOWN_LASTS_MS: Final = DAY_MS
_HUNDRED: Final = Decimal(100)
_GROWTH_STEP: Final = Decimal("1E-18")
_RUIN: Final = Decimal("1E-9")
"""The growth after a total loss, against a peak of 1: positive, so that later losses can still be measured."""
_LEAST_GROWTH: Final = Decimal("1E-15")
_MEASURED: Final = Decimal("1E-9")
"""Losses are rounded to a billionth, so that accumulated rounding cannot move a boundary."""


class StopOut(StrEnum):
    """Which loss stopped an account."""

    DAILY_LOSS = "daily_loss"
    MAX_DRAWDOWN = "max_drawdown"


@dataclass(frozen=True, slots=True)
class RiskState:
    """The state as of `as_of` (epoch ms). Amounts in one quote currency; the growths are pure numbers that start at 1."""

    day: str
    """The UTC date of `trades_today` and of the two day starts."""
    trades_today: int
    realized: Money
    pnl: Money
    """Realised and unrealised, as of the last update."""
    day_start_pnl: Money
    equity: Money | None
    growth: Decimal
    day_start_growth: Decimal
    peak_growth: Decimal
    stopped_until: int
    """Epoch ms; 0 if it is not stopped out."""
    stopped_by: tuple[StopOut, ...]
    stopped_action: StopOutAction | None
    stopped_reason: str
    as_of: int

    @staticmethod
    def fresh(currency: str, now: int) -> RiskState:
        """Return the state of an account that has never copied."""
        nothing = Money(ZERO, currency)
        return RiskState(utc_day(now), 0, nothing, nothing, nothing, None, ONE, ONE, ONE, 0, (), None, "", now)

    def stopped(self, now: int) -> bool:
        """Return whether a stop-out is in force."""
        return now < self.stopped_until

    def trades_on(self, now: int) -> int:
        """Return how many entries traded on the UTC day of `now`."""
        return self.trades_today if self.day == utc_day(now) else 0

    def after_fill(self, now: int, *, realized: Money | None = None, entry: bool = False) -> RiskState:
        """Return the state after an order that traded: an entry counts as a trade of the day, a sale adds what it realised."""
        state = _rolled(self, now)
        total = state.realized if realized is None else Money(state.realized.amount + realized.amount, self.currency)
        return RiskState(  # each order makes one: `replace` costs thrice as much
            day=state.day,
            trades_today=state.trades_today + entry,
            realized=total,
            pnl=state.pnl,
            day_start_pnl=state.day_start_pnl,
            equity=state.equity,
            growth=state.growth,
            day_start_growth=state.day_start_growth,
            peak_growth=state.peak_growth,
            stopped_until=state.stopped_until,
            stopped_by=state.stopped_by,
            stopped_action=state.stopped_action,
            stopped_reason=state.stopped_reason,
            as_of=max(now, state.as_of),
        )

    def at(self, now: int, unrealized: Money, equity: Money | None, limits: LimitPolicy) -> RiskState:
        """Return the state as of `now`: the UTC day rolled, an expired stop-out lifted, the profit booked, a stop-out detected.

        `unrealized` is the profit of the copied positions at market (`Portfolio.unrealized`). `equity` is that of the whole
        account if it was read since the last update; None adds the profit made since to the last one.
        """
        state = _rolled(_lifted(self, now, limits), now)
        if unrealized.currency != state.currency:
            state = _recounted(state, unrealized.currency)
        state = _booked(state, state.realized + unrealized)
        latest = state.equity if equity is None else Money(equity.amount, state.currency)
        return _stopped(replace(state, equity=latest, as_of=max(now, state.as_of)), limits, now)

    def lifted(self) -> RiskState:
        """Return the state without its stop-out: losses are counted from now on, or it would trigger again at once."""
        return replace(
            self,
            day_start_growth=self.growth,
            day_start_pnl=self.pnl,
            peak_growth=self.growth,
            stopped_until=0,
            stopped_by=(),
            stopped_action=None,
            stopped_reason="",
        )

    def daily_loss(self, now: int) -> Decimal:
        """Return the part of the equity that copying has lost on the UTC day of `now`: 0.05 for 5 %, below zero for a profit."""
        return _daily_loss(self) if self.day == utc_day(now) else ZERO

    @property
    def drawdown(self) -> Decimal:
        """Return how far copying is below its best, as a part: 0.05 for 5 %."""
        return _drawdown(self)

    @property
    def currency(self) -> str:
        """Return the currency of the amounts."""
        return self.realized.currency


def realized_by(position: Position, sold: Quantity, proceeds: Money, fee: Money) -> Money:
    """Return what a sale out of `position` (as it was before) realised: proceeds less fee less the share of the cost."""
    kept = position.sold(sold, position.updated_at).cost
    return proceeds - fee - (position.cost - kept)


def utc_day(now: int) -> str:
    """Return the UTC date of an instant (epoch ms), as `2026-11-22`."""
    return datetime.fromtimestamp(now // 1000, UTC).date().isoformat()


def next_day(now: int) -> int:
    """Return the instant (epoch ms) at which the next UTC day begins."""
    return (now // DAY_MS + 1) * DAY_MS


def utc_minute(instant: int) -> str:
    """Format an instant for people: `2026-11-23 00:00 UTC`."""
    return datetime.fromtimestamp(instant // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rolled(state: RiskState, now: int) -> RiskState:
    """Start a new UTC day from the last figures. A clock that steps back starts none."""
    day = utc_day(now)
    if day <= state.day:
        return state
    return replace(state, day=day, trades_today=0, day_start_pnl=state.pnl, day_start_growth=state.growth)


def _lifted(state: RiskState, now: int, limits: LimitPolicy) -> RiskState:
    """Lift a stop-out that has expired, and reset what triggered it: otherwise it would trigger again at once."""
    if not state.stopped_until or state.stopped(now):
        return state
    lifted = replace(state, stopped_until=0, stopped_by=(), stopped_action=None, stopped_reason="")
    if _breached(_daily_loss(state), limits.daily_loss_pct):
        lifted = replace(lifted, day_start_growth=state.growth, day_start_pnl=state.pnl)
    if _breached(_drawdown(state), limits.max_drawdown_pct):
        lifted = replace(lifted, peak_growth=state.growth)
    return lifted


def _booked(state: RiskState, pnl: Money) -> RiskState:
    if state.equity is None:
        # The first update: what was lost before it is unknown, and does not count against the user.
        return replace(state, pnl=pnl, day_start_pnl=pnl)
    if state.equity.amount <= 0:
        return replace(state, pnl=pnl)
    made = pnl - state.pnl
    equity = Money(max((state.equity + made).amount, ZERO), state.currency)
    growth = (state.growth * (ONE + made.ratio_to(state.equity))).quantize(_GROWTH_STEP)
    if growth < _LEAST_GROWTH:
        return replace(state, pnl=pnl, equity=equity, growth=_RUIN, day_start_growth=ONE, peak_growth=ONE)
    return replace(state, pnl=pnl, equity=equity, growth=growth, peak_growth=max(state.peak_growth, growth))


def _stopped(state: RiskState, limits: LimitPolicy, now: int) -> RiskState:
    lasts = limits.stop_out_lasts_ms
    if _breached(loss := _daily_loss(state), limits.daily_loss_pct):
        end = next_day(now) if lasts is None else now + lasts
        made = f"{(state.pnl - state.day_start_pnl).amount:+,.2f} {state.currency}"
        said = f"{_percent(loss)} % lost by copying on {state.day} UTC ({made}"
        state = _stop(state, StopOut.DAILY_LOSS, end, f"{said}, limits.daily_loss_pct {limits.daily_loss_pct})", limits)
    if _breached(loss := _drawdown(state), limits.max_drawdown_pct):
        end = now + (DRAWDOWN_LASTS_MS if lasts is None else lasts)
        said = f"copying is {_percent(loss)} % below its best (limits.max_drawdown_pct {limits.max_drawdown_pct})"
        state = _stop(state, StopOut.MAX_DRAWDOWN, end, said, limits)
    return state


def _stop(state: RiskState, rule: StopOut, end: int, reason: str, limits: LimitPolicy) -> RiskState:
    """Stop an account by a rule, unless the present stop-out names that rule already; the later end of two counts."""
    if rule in state.stopped_by:
        return state
    state = replace(state, stopped_by=(*state.stopped_by, rule), stopped_action=limits.on_stop_out)
    return replace(state, stopped_until=end, stopped_reason=reason) if end > state.stopped_until else state


def _daily_loss(state: RiskState) -> Decimal:
    return (ONE - state.growth / state.day_start_growth).quantize(_MEASURED)


def _drawdown(state: RiskState) -> Decimal:
    return (ONE - state.growth / state.peak_growth).quantize(_MEASURED)


def _breached(loss: Decimal, limit_pct: Decimal | None) -> bool:
    return limit_pct is not None and loss * _HUNDRED >= limit_pct


def _recounted(state: RiskState, currency: str) -> RiskState:
    """Convert the state to another currency that the user has chosen; growth has no currency and continues."""
    return replace(
        state,
        realized=Money(state.realized.amount, currency),
        pnl=Money(state.pnl.amount, currency),
        day_start_pnl=Money(state.day_start_pnl.amount, currency),
        equity=None,
    )


def _percent(loss: Decimal) -> str:
    return plain((loss * _HUNDRED).quantize(Decimal("0.01")))
