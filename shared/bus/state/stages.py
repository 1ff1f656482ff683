"""Reads and writes a user's stage on the canary ladder. Only the executor that holds the user's lease writes it."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.flow.streams import flatten
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.stage import read_stage, write_move, write_stage
from shared.domain.stages.ladder import LadderState, Move


class StageStore:
    """The stage of the holder of a lease."""

    def __init__(self, bus: Bus, lease: Lease) -> None:
        self._bus = bus
        self._lease = lease
        self._user = lease.holder

    async def load(self) -> LadderState | None:
        """Return the recorded state; None if there is none. Raises MalformedMessageError, BusUnavailable."""
        return read_stage(pairs(await self._bus.do("HGETALL", keys.stage(self._user))))

    async def write(self, state: LadderState, move: Move | None = None) -> None:
        """Record a state, and the step that led to it, in one step. Raises LeaseLost, BusUnavailable."""
        fields = flatten(write_stage(state))
        event = flatten(write_move(self._user, move)) if move else []
        answer = await self._bus.run(
            load("write_state"),
            [keys.fence(self._lease.holder), keys.stage(self._user), keys.stage_moves(self._user)],
            [self._lease.token, len(fields), *fields, *event],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
