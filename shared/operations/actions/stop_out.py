"""Lifting a stop-out: entries of the user go on before its time is over. The executor that serves the user does it."""

from __future__ import annotations

from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.domain.limits.risk_state import utc_minute
from shared.domain.values.venue import VENUES
from shared.ledger.stopouts import StopOutRow, read_stopouts
from shared.operations.actions.port import Ground
from shared.operations.consequence import Consequence
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused
from shared.operations.request import ActionRequest


class StopOutLift:
    """The action `lift`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return which stop-outs would end. Raises ActionRefused if none is in force, BusUnavailable."""
        found = await self._in_force(request)
        lines = tuple(f"{each.venue}: until {utc_minute(each.until or 0)}, {each.reason}" for each in found)
        notes = [
            f"at {each.venue} everything is being sold (on_stop_out = close_all): what is not sold yet is kept"
            for each in found
            if each.action == "close_all"
        ]
        owner = await self._ground.bus.do("GET", keys.lease(request.user))
        notes += [] if owner else [f"no executor serves {request.user} now: the stop-out ends when one does"]
        where = " and ".join(each.venue for each in found)
        text = f"lifts the stop-out of {request.user} at {where}: entries go on, and losses are counted from now on"
        facts = [[each.venue, each.until] for each in found]
        return Consequence(request.user, text, lines, tuple(notes), facts=facts)

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Ask the executor to end the stop-outs in force."""
        found = await self._in_force(request)
        fields = {lift_field(each.venue): str(each.until) for each in found}
        await self._ground.bus.do("HSET", keys.control(request.user), *flatten(fields))
        await write_change(self._ground.bus, change)
        return change.effect

    async def _in_force(self, request: ActionRequest) -> list[StopOutRow]:
        if not request.user:
            raise ActionRefused("lift needs a user")
        if request.venue and request.venue not in VENUES:
            raise ActionRefused(f"the venue must be one of {', '.join(VENUES)}")
        await self._ground.require(request.user)
        rows = await read_stopouts(self._ground.bus, [request.user], self._ground.clock(), 20)
        found = [row for row in rows if row.in_force and request.venue in {"", row.venue}]
        if broken := [row for row in found if row.until is None]:
            raise ActionRefused(f"{broken[0].reason}: nothing is lifted")
        if not found:
            raise ActionRefused(
                f"{request.user} is not stopped out" + (f" at {request.venue}" if request.venue else "")
            )
        return found
