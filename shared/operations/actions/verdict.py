"""Resolving an order by hand: the verdict is added to the order's record, once it was confirmed what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from shared.bus.order.interventions import give_verdict
from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.account import is_master
from shared.operations.actions.order_verdicts import StoredOrder, build_verdict, find_order
from shared.operations.actions.port import Ground
from shared.operations.actions.verdict_words import verdict_notes, verdict_words
from shared.operations.consequence import Consequence
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.operations.request import ActionRequest

_SHOWN: Final = (
    "venue",
    "state",
    "side",
    "symbol",
    "base_size",
    "limit_price",
    "client_order_id",
    "venue_order_id",
    "reason",
)


class Verdicts:
    """The action `resolve`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what the verdict books. Raises ActionRefused for an order that is not unresolved, BusUnavailable."""
        found, verdict = await self._read(request, "", 0)
        fields = found.fields
        details = tuple(f"{name.replace('_', ' ')}: {fields[name]}" for name in _SHOWN if fields.get(name))
        notes = verdict_notes(found, verdict, self._ground.clock())
        facts = [fields.get("state", ""), fields.get("attempts", ""), verdict.fields()]
        return Consequence(f"{found.user} {found.order_id}", verdict_words(found, verdict), details, notes, facts=facts)

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Add the verdict to the record. Raises ActionRefused if the order has gone on."""
        found, verdict = await self._read(request, change.by, change.at)
        if not await give_verdict(
            self._ground.bus, found.user, found.order_id, found.fields.get("attempts", ""), verdict
        ):
            raise ActionRefused(f"order {found.order_id} has changed in the meantime: look at it again")
        await write_change(self._ground.bus, replace(change, before=found.fields.get("state", "")))
        return change.effect

    async def _read(self, request: ActionRequest, by: str, at: int) -> tuple[StoredOrder, VerdictRecord]:
        filled = request.outcome == VerdictKind.FILLED
        if request.outcome not in set(VerdictKind):
            raise ActionRefused("outcome must be filled or none: what you saw at the venue")
        if not filled and (request.size or request.price or request.fee):
            raise ActionRefused("size, price and fee go with the outcome filled only")
        if not request.user:
            raise ActionRefused("name the order's user, or master")
        if not is_master(request.user):
            await self._ground.require(request.user)
        found = await find_order(self._ground.bus, request.order, request.user)
        if found is None:
            raise UnknownTarget(f"{request.user} has no order {request.order[:40]!r}")
        verdict = build_verdict(
            found.fields, filled=filled, size=request.size, price=request.price, fee=request.fee or "0", by=by, at=at
        )
        return found, verdict
