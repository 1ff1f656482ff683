"""One what-if: repeats what was decided, judges it by changed settings, and estimates the effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.connection import Bus
from shared.what_if.changed_settings import SettingsChange
from shared.what_if.effect import Effect, estimate_effect
from shared.what_if.history import MOST, History, read_history
from shared.what_if.recorded_decision import FieldDifference, Gap, RecordedDecision, find_differences
from shared.what_if.rejudging import Rejudged, Rejudging

_AT_ONCE = 50
"""Decisions between two moments in which other work of the process goes on."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A recorded decision that did not come out the same when it was repeated by its own inputs."""

    recorded: RecordedDecision
    differences: tuple[FieldDifference, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The result. What could not be repeated or not be judged is counted, and stays as it was in the estimate."""

    user: str
    change: SettingsChange
    repeated: int
    mismatches: Sequence[Mismatch]
    gaps: Counter[Gap]
    rows: Sequence[Rejudged]
    """The decisions that differ."""
    missing: Counter[str]
    """Decisions that the changed settings cannot be asked about, by what was not read then."""
    effect: Effect
    cut: bool
    counted_trades: bool
    first: int | None = None
    last: int | None = None

    @property
    def equal(self) -> bool:
        """Whether every decision that could be repeated came out the same."""
        return not self.mismatches


async def run_what_if(
    bus: Bus, user: str, change: SettingsChange, start: int, end: int | None = None, most: int = MOST
) -> WhatIf:
    """Run a what-if over a user's decisions from `start` until before `end` (epoch ms).

    Raises WhatIfRefused if the change contradicts the settings of that time, BusUnavailable.
    """
    return await judge_history(user, change, await read_history(bus, user, start, end, most))


async def judge_history(user: str, change: SettingsChange, history: History) -> WhatIf:
    """Repeat and judge the decisions of a history; lets other work go on in between. Raises WhatIfRefused."""
    gaps: Counter[Gap] = Counter()
    mismatches: list[Mismatch] = []
    judged: list[Rejudged] = []
    judging = Rejudging(change, history.reports)
    for number, decision in enumerate(history.decisions):
        if not number % _AT_ONCE:
            await asyncio.sleep(0)
        if not isinstance(decision, RecordedDecision):
            gaps[decision.gap] += 1
            continue
        if differences := find_differences(decision):
            mismatches.append(Mismatch(decision, differences))
            before = decision.message.to_domain()
            judged.append(Rejudged(decision, before, before))
        else:
            judged.append(judging.judge(decision))
    instants = [each.recorded.at for each in judged]
    return WhatIf(
        user=user,
        change=change,
        repeated=len(judged),
        mismatches=mismatches,
        gaps=gaps,
        rows=[each for each in judged if each.differs],
        missing=Counter(each.missing for each in judged if each.missing),
        effect=estimate_effect(judged, history.reports, history.end),
        cut=history.cut,
        counted_trades=judging.counted_trades,
        first=min(instants, default=None),
        last=max(instants, default=None),
    )
