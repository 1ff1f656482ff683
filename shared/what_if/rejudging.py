"""Judges recorded decisions by changed settings. Pure.

Each decision is judged with the account as it was at that moment: what an earlier change would have left in cash or positions is
not carried on. What was not read then, because no setting needed it, is never guessed: such a decision is not judged, and says
what is missing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shared.contracts.decision_inputs import DecisionInputs
from shared.contracts.messages import ReportMessage
from shared.domain.limits.policy import LimitPolicy, SizingMode, UserPolicy
from shared.domain.limits.risk_state import DAY_MS, RiskState
from shared.domain.order import Decision, Kind
from shared.what_if.changed_settings import SettingsChange
from shared.what_if.loss_replay import LossReplay
from shared.what_if.recorded_decision import RecordedDecision, decide_again


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A recorded decision, and what the changed settings make of it; `missing` says why they cannot be asked about it."""

    recorded: RecordedDecision
    before: Decision
    after: Decision
    missing: str = ""

    @property
    def differs(self) -> bool:
        """Whether another order would have been sent, or none, or another reason given as a code."""
        one, other = self.before, self.after
        return (one.copy, one.shadow, one.code, one.stage) != (other.copy, other.shadow, other.code, other.stage)


class Rejudging:
    """Judges the decisions of one user in their order; reports are those since the first decision's UTC day began."""

    def __init__(self, change: SettingsChange, reports: Iterable[ReportMessage]) -> None:
        self._change = change
        self._losses: defaultdict[str, LossReplay] = defaultdict(LossReplay)
        self._entries = _settled_entries(reports)
        self.counted_trades = False
        """Whether trades of a day were counted from the user's reports, because no setting had counted them."""

    def judge(self, recorded: RecordedDecision) -> Rejudged:
        """Judge one decision. Raises WhatIfRefused if the changed settings contradict those of its time."""
        before = recorded.message.to_domain()
        changed = self._change.applied(recorded.settings)
        if changed == recorded.settings or not recorded.is_entry:
            return Rejudged(recorded, before, decide_again(recorded, changed, recorded.inputs))
        inputs = self._inputs(recorded, changed)
        if why := _missing_cash(recorded.settings, changed, recorded.inputs):
            return Rejudged(recorded, before, before, why)
        shared = recorded.settings.followed_master(recorded.signal.book) is not None
        missing, without = _missing(recorded.settings, changed, shared=shared)
        if not missing:
            return Rejudged(recorded, before, decide_again(recorded, changed, inputs))
        # What is skipped without a limit is skipped with it: then it makes no difference what was not read.
        after = decide_again(recorded, without, inputs)
        if after.copy is None and after.shadow is None:
            return Rejudged(recorded, before, after)
        return Rejudged(recorded, before, before, missing)

    def _inputs(self, recorded: RecordedDecision, changed: UserPolicy) -> DecisionInputs:
        """Return the recorded inputs, with what the changed settings would have made of them by then."""
        inputs, old, new = recorded.inputs, recorded.settings, changed
        if new.stage != old.stage:
            inputs = replace(inputs, stage=new.stage.start)
        venue = inputs.venue or ""
        if inputs.risk is not None and _losses(old.limits) != _losses(new.limits):
            risk = self._losses[venue].risk(inputs.risk, new.limits, recorded.at)
            inputs = replace(inputs, risk=risk)
        if inputs.risk is None and new.limits.max_trades_per_day is not None and not old.limits.need_risk:
            self.counted_trades = True
            traded = self._traded_today(venue, recorded.at)
            inputs = replace(inputs, risk=replace(RiskState.fresh("USD", recorded.at), trades_today=traded))
        return inputs

    def _traded_today(self, venue: str, now: int) -> int:
        instants = self._entries.get(venue, [])
        return bisect_left(instants, now) - bisect_left(instants, now // DAY_MS * DAY_MS)


def _missing_cash(old: UserPolicy, new: UserPolicy, inputs: DecisionInputs) -> str:
    by_cash = new.sizing.mode is SizingMode.CASH and old.sizing.mode is not SizingMode.CASH
    return "sizing.mode was not cash: the master's cash was not read" if by_cash and inputs.master_cash is None else ""


def _missing(old: UserPolicy, new: UserPolicy, *, shared: bool) -> tuple[str, UserPolicy]:
    """Return which changed limits need what was not read then, and the changed settings without them.

    `shared`: the signal is a named master's, whose share of the equity needs what is held and its prices anyway.
    """
    gaps: list[str] = []
    limits = new.limits
    if limits.need_prices and not (old.limits.need_prices or shared):
        gaps.append("limits.max_exposure_pct and limits.max_symbol_pct were off: what was held was not valued")
        limits = replace(limits, max_exposure_pct=None, max_symbol_pct=None)
    if limits.max_positions is not None and not (old.limits.need_positions or shared):
        gaps.append("limits on positions were off: what was held was not read")
        limits = replace(limits, max_positions=None)
    if limits.stop_out and not old.limits.need_risk:
        gaps.append("limits on losses and trades were off: the loss was not read")
        limits = replace(limits, daily_loss_pct=None, max_drawdown_pct=None)
    return "; ".join(gaps), replace(new, limits=limits)


def _losses(limits: LimitPolicy) -> tuple[object, ...]:
    return limits.daily_loss_pct, limits.max_drawdown_pct, limits.stop_out_lasts_ms


def _settled_entries(reports: Iterable[ReportMessage]) -> dict[str, Sequence[int]]:
    """Return when entries that traded had settled, by venue, sorted."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for report in reports:
        if report.kind is Kind.ENTRY and report.filled_size:
            found[report.venue].append(report.settled_at)
    return {venue: sorted(instants) for venue, instants in found.items()}
