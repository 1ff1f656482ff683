"""What was decided for a user, as anybody can read it."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.order import Decision


async def decided(bus: Bus, user: str) -> list[tuple[str, Decision]]:
    """Read a user's decisions with the ids of their entries."""
    entries = read_entries(keys.orders(user), await bus.do("XRANGE", keys.orders(user), "-", "+"))
    return [(entry.id, OrderMessage.parse(entry.fields).to_domain()) for entry in entries]
