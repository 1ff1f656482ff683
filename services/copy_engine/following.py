"""From which signal on each user is followed, as it stands in Redis, so that `audit` knows what was due to whom."""

from __future__ import annotations

from collections.abc import Iterable

from shared.bus.connection import Bus
from shared.bus.records import pairs
from shared.bus.streams import Group, entry_order
from shared.contracts import keys


async def record_followers(bus: Bus, group: Group, users: Iterable[str]) -> None:
    """Note who is followed from here on and who no longer is. Only between two signals: none may be half carried."""
    last = await _carried(group)
    due = [keys.following(user) for user in users]
    await bus.do_all([("HSETNX", key, "from", last) for key in due])
    for key, answer in zip(due, await bus.do_all([("HGETALL", key) for key in due]), strict=True):
        if pairs(answer).get("until"):
            await bus.do("HSET", key, "from", last, "until", "")
    for key in set(await bus.scan(keys.following("*"))) - set(due):
        if not await bus.do("HGET", key, "until"):
            await bus.do("HSET", key, "until", last)


async def _carried(group: Group) -> str:
    """Give the id up to which every signal has reached all users: what is pending (a predecessor died) has not."""
    pending = await group.read_pending(keys.SIGNALS, count=1)
    if not pending:
        return await group.last_delivered(keys.SIGNALS)
    ms, sequence = entry_order(pending[0].id)
    return f"{ms}-{sequence - 1}" if sequence else f"{max(ms - 1, 0)}-{2**64 - 1 if ms else 0}"
