"""Leases that change hands."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.ownership.lease import Lease, acquire
from shared.contracts import keys


async def take_over(bus: Bus, holder: str = "alice", owner: str = "second") -> Lease:
    """End a lease as its time would, and have another process take it."""
    await bus.do("DEL", keys.lease(holder))
    taken = await acquire(bus, holder, owner)
    assert taken is not None
    return taken
