"""The mirrored orders of one account, under one lease: what is wanted of each, and how the master's orders are copied at all.

Two hashes of the user. `mirrored` has one field per order of the master's that is mirrored and has not ended; `marks` says of
each order of the master's that a mirroring user met whether it is mirrored or copied by its fills, so that it is never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import Lease
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.mirror import read_mark, read_mirror, write_mark, write_mirror
from shared.domain.mirror import Mirror

_MIRRORED, _MARKS = "1", "2"
MARKS_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long it is remembered how an order was copied: longer than its fills can be found late."""


@dataclass(frozen=True, slots=True)
class MirrorBook:
    """What is recorded of one account, by the master's order id; `unreadable` is why a record cannot be read."""

    mirrors: Mapping[str, Mirror]
    unreadable: Mapping[str, str]
    marks: Mapping[str, bool]
    """Whether each order of the master's is mirrored; False: its fills are copied."""


async def read_mirrors(bus: Bus, user: str, venue: str) -> tuple[dict[str, Mirror], dict[str, str]]:
    """Read the mirrored orders that have not ended, and why a record cannot be read. Raises BusUnavailable."""
    mirrors, unreadable = {}, {}
    for order_id, written in pairs(await bus.do("HGETALL", keys.mirrored(user, venue))).items():
        try:
            mirrors[order_id] = read_mirror(user, venue, order_id, written)
        except ValueError as error:
            unreadable[order_id] = str(error)
    return mirrors, unreadable


class MirrorStore:
    """Reads and writes them. Every write raises LeaseLost, BusUnavailable."""

    def __init__(self, bus: Bus, lease: Lease, user: str, venue: str) -> None:
        self._bus = bus
        self._lease = lease
        self._user = user
        self._venue = venue
        self._keys = [keys.fence(lease.holder), keys.mirrored(user, venue), keys.mirror_marks(user, venue)]

    async def load(self, now: int) -> MirrorBook:
        """Read everything; marks that are too old to matter are removed."""
        mirrors, unreadable = await read_mirrors(self._bus, self._user, self._venue)
        marks, old = {}, []
        for order_id, written in pairs(await self._bus.do("HGETALL", self._keys[2])).items():
            mirrored, at = read_mark(written)
            if at < now - MARKS_KEPT_MS and order_id not in mirrors and order_id not in unreadable:
                old.append((_MARKS, order_id, ""))
            else:
                marks[order_id] = mirrored
        await self._write(old)
        return MirrorBook(mirrors, unreadable, marks)

    async def begin(self, mirror: Mirror, now: int) -> None:
        """Record a new mirrored order and that its fills are not copied, in one step."""
        order_id = mirror.master_order_id
        await self._write(
            [(_MIRRORED, order_id, write_mirror(mirror)), (_MARKS, order_id, write_mark(mirrored=True, at=now))]
        )

    async def put(self, mirror: Mirror) -> None:
        """Record what is wanted of it now."""
        await self._write([(_MIRRORED, mirror.master_order_id, write_mirror(mirror))])

    async def end(self, mirror: Mirror) -> None:
        """Remove it, since its order has an outcome. The mark stays."""
        await self._write([(_MIRRORED, mirror.master_order_id, "")])

    async def mark_fills(self, master_order_id: str, now: int) -> None:
        """Record that an order of the master's is copied by its fills, before one of them is."""
        await self._write([(_MARKS, master_order_id, write_mark(mirrored=False, at=now))])

    async def _write(self, fields: Iterable[tuple[str, str, str]]) -> None:
        flat = [part for field in fields for part in field]
        if flat and await self._bus.run(load("put_fields"), self._keys, [self._lease.token, *flat]) == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
