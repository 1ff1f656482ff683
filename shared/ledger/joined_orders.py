"""Finds the decisions of users who joined a position later: their entry id is not that of the signal that they name.

If a user has no decision under a signal's entry id, they did not follow when it came. If they joined by that signal, they did
so when they began to follow: the decision is among the first entries after the signal's id in their stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Entry, read_entries
from shared.contracts import keys

_FIRST: Final = 200
"""Joining ends ten minutes after a user began to follow; few users get more decisions than this until then."""


async def joined_orders(bus: Bus, signal: Entry, users: Sequence[str]) -> Mapping[str, Entry]:
    """Return the decisions by which users joined the position of a signal."""
    answers = await bus.do_all([("XRANGE", keys.orders(user), f"({signal.id}", "+", "COUNT", _FIRST) for user in users])
    found = {}
    for user, rows in zip(users, answers, strict=True):
        for entry in read_entries(keys.orders(user), rows if isinstance(rows, list) else []):
            if is_joined(entry.id) and entry.fields.get("signal_id") == signal.fields.get("id"):
                found[user] = entry
    return found
