"""Keeps one user's stage on the canary ladder: counts, moves by one step, records it.

The executor that holds the user's lease is the one owner: it settles the orders that are counted, it knows the unresolved ones,
and its writes are fenced, so that two processes never move a user. The engine reads the stage with each signal and writes it into
its decision: a move takes effect from the next signal on, and never within an order. A user who is disabled, or has no file any
more, begins again at the file's start: another account may come under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from services.executor.account.faults import AccountFaults
from shared.bus.state.stages import StageStore
from shared.contracts.fields import MalformedMessageError
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.stages.ladder import LadderState, Move, align, climb, count, is_complete, step_back
from shared.domain.stages.stage import StagePolicy
from shared.ledger.stages.evidence import StageEvidence

_SUBJECT: Final = "stage"

log = structlog.get_logger()


class StageKeeper:
    """The stage of one user."""

    def __init__(
        self, store: StageStore, evidence: StageEvidence, faults: AccountFaults, clock: Callable[[], int]
    ) -> None:
        """`clock` returns the venue's time in epoch ms."""
        self._store = store
        self._evidence = evidence
        self._faults = faults
        self._clock = clock
        self._fixed: StagePolicy | None = None
        """The settings of a user who does not move, whose record, if there was one, is back at the start."""

    async def round(self, user: UserPolicy) -> None:
        """Count what has ended since the last round, and move if that is due. Raises LeaseLost, BusUnavailable, BusRefused."""
        policy, gone = user.stage, user.file is FileState.GONE
        moves = policy.auto and user.enabled and not gone
        fixed = replace(policy, auto=False)
        if (user.fault and not gone) or (not moves and fixed == self._fixed):
            return
        try:
            recorded = await self._store.load()
        except MalformedMessageError as error:
            # Left as it is: the engine skips entries meanwhile, and a step back in it must not be forgotten.
            if self._faults.report(FaultKind.RECORD, f"the stage cannot be read: {error}", _SUBJECT):
                log.error("the stage cannot be read", user=user.user, reason=str(error))
            return
        self._faults.clear(FaultKind.RECORD, _SUBJECT)
        if moves:
            self._fixed = None
            await self._advance(user, recorded)
        else:
            if recorded is not None:
                why = "" if user.enabled and not gone else "the user follows no more"
                await self._record(user.user, recorded, *align(recorded, fixed, self._clock(), why))
            self._fixed = fixed

    async def _advance(self, user: UserPolicy, recorded: LadderState | None) -> None:
        policy, now = user.stage, self._clock()
        state, move = align(recorded, policy, now)
        if recorded is None:
            state = replace(state, cursor=await self._evidence.last_report())
        facts, cursor = await self._evidence.ended(state.cursor)
        standing = await self._evidence.standing(now)
        state = replace(count(state, policy, facts, standing, now), cursor=cursor)
        if move is None:
            state, move = step_back(state, policy, now)
        if move is None and is_complete(state, policy):
            state, move = climb(state, policy, await self._evidence.audit(state.since, now), now)
        await self._record(user.user, recorded, state, move)

    async def _record(self, user: str, before: LadderState | None, state: LadderState, move: Move | None) -> None:
        if state == before:
            return
        await self._store.write(state, move)
        if move is not None:
            what = f"{move.before} -> {move.after}" if move.after is not move.before else f"stays at {move.before}"
            log.warning(f"STAGE: {user}: {what}", user=user, by=move.by, reason=move.reason, at=move.at)
        elif before is not None and state.held_back and state.held_back != before.held_back:
            log.warning(f"STAGE: {user} stays at {state.stage}", user=user, reason=state.held_back)
