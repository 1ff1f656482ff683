"""From when on the records of a month are complete: old entries are trimmed (RETENTION_DAYS).

A statement must never show sums of which a part was trimmed. It begins where everything is still recorded, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.ledger.reading import StreamExtent, stream_extents
from shared.ledger.statement.collected import Collected
from shared.ledger.statement.month import Month


@dataclass(frozen=True, slots=True)
class Beginning:
    """The instant (epoch ms) at which a statement begins; `note` is why that is not the first of the month."""

    since: int
    note: str = ""


async def find_beginning(bus: Bus, user: str, month: Month) -> Beginning:
    """Return the beginning by what is left of the user's decisions. Raises BusUnavailable."""
    (orders,) = await stream_extents(bus, [keys.orders(user)])
    if not orders.removed:
        if orders.first is None or orders.first[0] <= month.begins:
            return Beginning(month.begins)
        return Beginning(orders.first[0], "The user began to follow within the month: the statement begins then.")
    return Beginning(month.begins) if orders.complete_since <= month.begins else _trimmed(orders.complete_since)


async def move_beginning(bus: Bus, user: str, beginning: Beginning, records: Collected) -> Beginning:
    """Return a later beginning if the signal of a decision since then, or its report, was trimmed. Raises BusUnavailable.

    Without its report a decision would count as one that filled nothing, and without its signal a copy as carried over. A
    decision that waits to be acknowledged is kept longer than both.
    """
    signals, reports = await stream_extents(bus, [keys.SIGNALS, keys.reports(user)])
    reported = {each.signal_id for each in records.endings}
    unreported = [each.signal.filled_at for each in records.copied if each.signal.id not in reported]
    since = max(_after(signals, records.without_signal), _after(reports, unreported))
    return beginning if since <= beginning.since else _trimmed(since)


def _after(extent: StreamExtent, missing: list[int]) -> int:
    """Return from when on a stream is complete, if something of before that is missing; else 0."""
    return extent.complete_since if any(at < extent.complete_since for at in missing) else 0


def _trimmed(since: int) -> Beginning:
    day = datetime.fromtimestamp(since / 1000, UTC).date()
    return Beginning(
        since, f"Nothing from before {day} is recorded any more (RETENTION_DAYS): the statement begins there."
    )
