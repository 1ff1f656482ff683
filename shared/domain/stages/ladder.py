"""The rule of the canary ladder: counts what a user's trades showed, and moves by one step. Pure.

Up: `trades` clean trades in a row, whose prices were near the master's, while nothing is wrong and the audit is clean. Back: a
burst of faults. It never goes past the file's `max`, never below `shadow`, and never by more than one step. A fault begins the
count of clean trades again; so does each step.

From `paper` it makes no step: real money is another account, with another key and other books, and what is held on paper must be
sold on paper. After the same count it says that the user is ready, once, and a person moves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.domain.stages.stage import Stage, StagePolicy, rank, step_above, step_below
from shared.domain.values.money import ZERO, plain

_SHOWN: Final = Decimal("0.1")
BY_FILE: Final = "file"
BY_LADDER: Final = "ladder"


class Sign(StrEnum):
    """What an ended order says about the user's copying."""

    CHECKED = "checked"  # the venue would have taken it
    TRADED = "traded"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class TradeFact:
    """An ended order. Instants in epoch ms; `deviation_bps` is the distance of its price from the master's, None if not known.

    `stage` is that of an entry that traded; None for an exit, which has none.
    """

    sign: Sign
    at: int
    signal_at: int = 0
    deviation_bps: Decimal | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class LadderState:
    """Where a user stands, and what was counted there."""

    stage: Stage
    start: Stage
    """The file's `start` when the stage was set: another one in the file begins again there."""
    since: int
    """When the stage was set (epoch ms)."""
    clean: int = 0
    """Clean trades in a row."""
    measured: int = 0
    """How many of them had a price to compare."""
    deviation_bps: Decimal = ZERO
    """The sum of their distances from the master's prices."""
    faults: tuple[int, ...] = ()
    """When the faults of the window happened (epoch ms), oldest first."""
    standing: frozenset[str] = frozenset()
    """The faults that stand now: each was counted once, when it appeared."""
    cursor: str = ""
    """The id of the last report that was counted."""
    held_back: str = ""
    """Why the last full count of clean trades made no step."""
    ready: str = ""
    """Why a user on paper is ready for stage `shadow`; empty if they are not."""

    @property
    def tracking_bps(self) -> Decimal | None:
        """Return the average distance from the master's prices in basis points; None if nothing was compared."""
        return self.deviation_bps / self.measured if self.measured else None


@dataclass(frozen=True, slots=True)
class Move:
    """A change of stage; `by` is who made it: the ladder or the user's file."""

    before: Stage
    after: Stage
    by: str
    reason: str
    at: int


def effective_stage(policy: StagePolicy, recorded: LadderState | None) -> Stage:
    """Return the stage in effect: the recorded one while the file leads to it, and never one above the file's `max`."""
    if not policy.auto or policy.on_paper or recorded is None or recorded.start is not policy.start:
        return policy.start
    return min(recorded.stage, policy.max, key=rank)


def align(
    state: LadderState | None, policy: StagePolicy, now: int, reason: str = ""
) -> tuple[LadderState, Move | None]:
    """Return the state under the present file: one that leads elsewhere begins a new count there, for this reason."""
    stage = effective_stage(policy, state)
    if state is None:
        return LadderState(stage, policy.start, now), None
    if stage is state.stage and policy.start is state.start:
        return state, None
    reason = reason or f"the file says start {policy.start}, max {policy.max}"
    move = Move(state.stage, stage, BY_FILE, reason, now)
    return replace(_at(state, stage, now), start=policy.start), move if stage is not state.stage else None


def count(
    state: LadderState, policy: StagePolicy, facts: Iterable[TradeFact], standing: frozenset[str], now: int
) -> LadderState:
    """Count ended orders, oldest first, and the faults that stand now and did not before."""
    for fact in facts:
        if fact.sign is Sign.FAULT:
            state = _with_faults(state, [fact.at])
        elif _belongs(fact, state):
            compared = fact.deviation_bps is not None
            state = replace(
                state,
                clean=state.clean + 1,
                measured=state.measured + compared,
                deviation_bps=state.deviation_bps + (fact.deviation_bps or ZERO),
            )
    state = _with_faults(state, [now] * len(standing - state.standing))
    recent = tuple(at for at in state.faults if at > now - policy.fault_window_ms)
    if recent == state.faults and standing == state.standing:
        return state
    return replace(state, faults=recent, standing=standing)


def step_back(state: LadderState, policy: StagePolicy, now: int) -> tuple[LadderState, Move | None]:
    """Step back after a burst of faults; at the lowest step the count begins again."""
    if len(state.faults) < policy.faults:
        return state, None
    why = f"{len(state.faults)} faults within {policy.fault_window_ms / 60_000:g} min"
    lower = step_below(state.stage)
    if lower is None:
        return replace(_at(state, state.stage, state.since), held_back=f"{why}; there is no lower step"), None
    return _at(state, lower, now), Move(state.stage, lower, BY_LADDER, why, now)


def is_complete(state: LadderState, policy: StagePolicy) -> bool:
    """Return whether enough clean trades were counted for a step up that the file allows."""
    if state.clean < policy.trades:
        return False
    higher = step_above(state.stage)
    return state.stage is Stage.PAPER or (higher is not None and rank(higher) <= rank(policy.max))


def climb(
    state: LadderState, policy: StagePolicy, findings: Sequence[str], now: int
) -> tuple[LadderState, Move | None]:
    """Climb one step after a complete count, or begin the count again with the reason. `findings` are the audit's.

    On paper the "step" is from paper to paper: it says that the user is ready to be moved.
    """
    if not is_complete(state, policy):
        return state, None
    if why := _held_back(state, policy, findings):
        return replace(_at(state, state.stage, state.since), faults=state.faults, held_back=why), None
    tracking = state.tracking_bps
    near = "" if tracking is None else f", {_bps(tracking)} bps from the master's prices on average"
    what = {Stage.SHADOW: "checks", Stage.PAPER: "trades on paper"}.get(state.stage, "trades")
    why = f"{state.clean} clean {what}{near}"
    if state.stage is Stage.PAPER:
        why = f"ready for stage {Stage.SHADOW}: {why}"
        again = replace(_at(state, state.stage, state.since), faults=state.faults, ready=why)
        return again, None if state.ready else Move(state.stage, state.stage, BY_LADDER, why, now)
    higher = step_above(state.stage) or state.stage
    return _at(state, higher, now), Move(state.stage, higher, BY_LADDER, why, now)


def _held_back(state: LadderState, policy: StagePolicy, findings: Sequence[str]) -> str:
    if state.standing:
        return f"{state.clean} clean trades, but {', '.join(sorted(state.standing))}"
    if findings:
        return f"{state.clean} clean trades, but the audit found: {'; '.join(findings[:3])}"
    if state.stage is Stage.SHADOW:
        return ""  # nothing was traded, so there is no price to compare
    tracking = state.tracking_bps
    if tracking is None:
        return f"{state.clean} clean trades, but none has a price of the master's to compare with"
    if tracking > policy.max_tracking_bps:
        return (
            f"{state.clean} clean trades, but {_bps(tracking)} bps from the master's prices on average; "
            f"stage.max_tracking_bps is {plain(policy.max_tracking_bps)}"
        )
    return ""


def _belongs(fact: TradeFact, state: LadderState) -> bool:
    """Return whether an order was decided at the present stage: one of an earlier stage proves nothing here."""
    if state.stage is Stage.SHADOW:
        return fact.sign is Sign.CHECKED
    if fact.sign is not Sign.TRADED:
        return False
    if state.stage is Stage.PAPER:
        return fact.stage in {None, Stage.FULL} and fact.signal_at >= state.since  # paper decisions name no stage
    # By its stage and not by its instant: the clocks of signals and of this process differ by a second or so.
    return fact.signal_at >= state.since if fact.stage is None else fact.stage is state.stage


def _with_faults(state: LadderState, instants: Sequence[int]) -> LadderState:
    if not instants:
        return state
    faults = tuple(sorted([*state.faults, *instants]))
    return replace(state, faults=faults, clean=0, measured=0, deviation_bps=ZERO, held_back="")


def _at(state: LadderState, stage: Stage, since: int) -> LadderState:
    """Return a state with nothing counted yet; what stands and what was read stays."""
    return LadderState(stage, state.start, since, standing=state.standing, cursor=state.cursor)


def _bps(value: Decimal) -> str:
    return plain(value.quantize(_SHOWN))
