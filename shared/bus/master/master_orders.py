"""The stream of the master's resting orders for its only writer, and what was emitted of each: both in one slot of Redis."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError, read_json_object
from shared.contracts.mirror import MasterOrderMessage
from shared.domain.mirror import MasterAction, MasterOrder
from shared.domain.values.numerals import whole

_AS_OF: Final = "as_of"
_ENTRY: Final = "|entry"


class MasterOrderLog:
    """Appends each version of an order once. Every method raises BusUnavailable: repeat it."""

    def __init__(self, bus: Bus, venue: str) -> None:
        self._bus = bus
        self._known = keys.masters_resting(venue)

    async def emit(self, order: MasterOrder) -> str | None:
        """Append one version and remember it; return its entry id, None if this version was emitted before."""
        fields = MasterOrderMessage.from_domain(order).fields()
        kept = "" if order.action is MasterAction.ENDED else json.dumps(fields)
        answer = await self._bus.run(
            load("emit_master_order"),
            [keys.MASTER_ORDERS, self._known],
            [order.master_order_id, order.version, kept, *flatten(fields)],
        )
        return str(answer) if answer else None

    async def known(self) -> dict[str, MasterOrder]:
        """Read the orders that have not ended, as last emitted, by the venue's id; unreadable ones are left out."""
        fields = pairs(await self._bus.do("HGETALL", self._known))
        found = {}
        for name, written in fields.items():
            if name == _AS_OF or "|" in name:
                continue
            try:
                order = MasterOrderMessage.parse(read_json_object(written)).to_domain()
            except MalformedMessageError:
                continue
            found[name] = replace(order, placed_entry=order.placed_entry or fields.get(name + _ENTRY, ""))
        return found

    async def placed_entry(self, master_order_id: str) -> str:
        """Return the id of the entry that says that an order was placed."""
        return str(await self._bus.do("HGET", self._known, master_order_id + _ENTRY) or "")

    async def seen(self, at: int) -> None:
        """Record that all open orders were seen at an instant (epoch ms, the venue's time)."""
        await self._bus.do("HSET", self._known, _AS_OF, at)

    async def mirroring(self) -> int:
        """Return how many users mirror the master's orders, as the engine last said."""
        return whole(await self._bus.do("HGET", keys.MIRRORING, "users")) or 0
