"""Finds the decisions of users who joined a position later: they do not stand under the entry id of the signal that they name.

A signal that a user has no decision on under its own id came while he did not follow. If he joined by it, that was at the
beginning of his following: his decision is among the first that stand behind it in his stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.bus.connection import Bus
from shared.bus.joined_ids import is_joined
from shared.bus.streams import Entry, read_entries
from shared.contracts import keys

_FIRST: Final = 200
"""Joining is over ten minutes after a user began to follow; more than this is seldom decided for one user until then."""


async def joined_orders(bus: Bus, signal: Entry, users: Sequence[str]) -> Mapping[str, Entry]:
    """Give the decisions by which users joined the position that a signal belongs to."""
    answers = await bus.do_all([("XRANGE", keys.orders(user), f"({signal.id}", "+", "COUNT", _FIRST) for user in users])
    found = {}
    for user, rows in zip(users, answers, strict=True):
        for entry in read_entries(keys.orders(user), rows if isinstance(rows, list) else []):
            if is_joined(entry.id) and entry.fields.get("signal_id") == signal.fields.get("id"):
                found[user] = entry
    return found
