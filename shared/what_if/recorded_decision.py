"""One recorded decision with all that it was made from, and the repetition of it by the live decision code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from shared.contracts.decision_inputs import INPUTS, DecisionInputs
from shared.contracts.messages import OrderMessage, ReportMessage
from shared.domain.copying.decision_plan import DecisionPlan, decision_failed
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Decision, Kind
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip


class Gap(StrEnum):
    """Why a decision cannot be repeated."""

    NO_INPUTS = "no inputs"
    NO_SIGNAL = "no signal"
    NO_SETTINGS = "no settings"
    UNREADABLE = "unreadable"


GAP_WORDS: Final[Mapping[Gap, str]] = {
    Gap.NO_INPUTS: "were made before inputs were recorded, or when the user joined an open position",
    Gap.NO_SIGNAL: "were made on signals that are no longer stored",
    Gap.NO_SETTINGS: "were made by settings of which no version is stored",
    Gap.UNREADABLE: "have inputs that cannot be read",
}


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """One decision as it was recorded; `fields` are those of its entry in the user's order stream."""

    entry_id: str
    fields: Mapping[str, str]
    message: OrderMessage
    signal: Signal
    settings: UserPolicy
    inputs: DecisionInputs
    report: ReportMessage | None = None

    @property
    def at(self) -> int:
        """Return when it was decided, epoch ms."""
        return self.message.emitted_at or self.message.signal_at

    @property
    def is_entry(self) -> bool:
        """Whether it is about an entry."""
        return self.signal.kind is Kind.ENTRY


@dataclass(frozen=True, slots=True)
class UnrepeatableDecision:
    """A decision of which something is missing; `message` is None if not even its entry can be read."""

    entry_id: str
    gap: Gap
    message: OrderMessage | None = None
    report: ReportMessage | None = None


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field of a decision that came out differently when the decision was repeated."""

    name: str
    recorded: str
    repeated: str

    def __str__(self) -> str:
        return f"{self.name}: {self.recorded or 'blank'} -> {self.repeated or 'blank'}"


def decide_again(recorded: RecordedDecision, settings: UserPolicy, inputs: DecisionInputs) -> Decision:
    """Decide as the engine does, by these settings and inputs at the recorded instant; what fails is a skip."""
    signal, now = recorded.signal, recorded.at
    plan = DecisionPlan(signal, settings, inputs.instrument, venue=inputs.venue, price=inputs.price)
    follower = _follower(recorded, settings, inputs)
    try:
        judgement = plan.judge(follower, now)
    except Exception as error:  # noqa: BLE001  # as in the engine: any failure in a decision is a skip
        judgement = decision_failed(error)
    if inputs.clock_refusal and not isinstance(judgement, Skip):
        judgement = Skip(inputs.clock_refusal, ReasonCode.CLOCK)
    return plan.decision(follower, judgement, now)


def find_differences(recorded: RecordedDecision) -> tuple[FieldDifference, ...]:
    """Repeat a decision by what was recorded with it; return the fields that differ, of all that its entry has."""
    again = OrderMessage.from_domain(decide_again(recorded, recorded.settings, recorded.inputs)).fields()
    before = {name: value for name, value in recorded.fields.items() if name != INPUTS}
    names = [*before, *(name for name in again if name not in before)]
    return tuple(
        FieldDifference(name, before.get(name, ""), again.get(name, ""))
        for name in names
        if before.get(name) != again.get(name)
    )


def _follower(recorded: RecordedDecision, settings: UserPolicy, inputs: DecisionInputs) -> Follower:
    return Follower(
        policy=replace(settings, user=recorded.message.user),
        account=inputs.account,
        switches=inputs.switches,
        portfolio=inputs.portfolio,
        risk=inputs.risk,
        master_cash=inputs.master_cash,
        held=inputs.held,
        recorded_equity=recorded.message.to_domain().user_equity,
        unreadable=inputs.unreadable,
        venue=inputs.venue,
        moved_from=inputs.moved_from,
        stage=inputs.stage,
    )
