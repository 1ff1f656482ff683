"""Trims streams, never by length: only entries that every group has acknowledged and that are older than the retention.

To trim an entry that is not settled yet would lose an order; a settled one is still read by `audit`.
"""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_order


async def trim(bus: Bus, stream: str, older_than: int) -> int:
    """Remove acknowledged entries from before `older_than` (epoch ms); return how many. Raises BusUnavailable."""
    if not await bus.do("EXISTS", stream):
        return 0
    keep_from = (older_than, 0)
    for row in await bus.do("XINFO", "GROUPS", stream):
        facts = dict(zip(row[::2], row[1::2], strict=True))
        pending = await bus.do("XPENDING", stream, facts["name"])
        oldest_open = entry_order(pending[1]) if pending[0] else entry_order(facts["last-delivered-id"])
        keep_from = min(keep_from, oldest_open)
    return int(await bus.do("XTRIM", stream, "MINID", f"{keep_from[0]}-{keep_from[1]}"))
