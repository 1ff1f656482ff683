"""Reads the steps of users on the canary ladder.

A step happens once: it is reported for an hour, so that none is lost in a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, entry_ms, read_entries
from shared.config.notifications import Event
from shared.contracts import keys
from shared.ledger.stages.rows import way_to_shadow

_REPORTED_MS: Final = 3_600_000
_MOST: Final = 20
"""Steps of one user that are looked at."""
_PAGE: Final = 500


async def read_stage_moves(bus: Bus, users: Iterable[str], now: int) -> list[Cause]:
    """Return the steps of the last hour before `now` (epoch ms). Raises BusUnavailable."""
    names = list(users)
    causes: list[Cause] = []
    for first in range(0, len(names), _PAGE):
        page = names[first : first + _PAGE]
        since = str(max(now - _REPORTED_MS, 0))
        answers = await bus.do_all([("XRANGE", keys.stage_moves(user), since, "+", "COUNT", _MOST) for user in page])
        for user, rows in zip(page, answers, strict=True):
            found = read_entries(keys.stage_moves(user), rows if isinstance(rows, list) else [])
            causes += [_cause(user, entry) for entry in found]
    return causes


def _cause(user: str, entry: Entry) -> Cause:
    said = entry.fields
    if said.get("before") == said.get("after"):  # no step: a user on paper is ready, and a person moves them
        return Cause(
            event=Event.STAGE,
            key=f"{user}|{entry.id}",
            who=user,
            what=said.get("reason", ""),
            since=entry_ms(entry.id),
            todo=way_to_shadow(user),
            momentary=True,
        )
    by = f", by {said['by']}" if said.get("by") else ""
    return Cause(
        event=Event.STAGE,
        key=f"{user}|{entry.id}",
        who=user,
        what=f"from stage {said.get('before') or 'unknown'} to {said.get('after') or 'unknown'}{by}: {said.get('reason', '')}",
        since=entry_ms(entry.id),
        todo=f"ops stages --user {user}",
        momentary=True,
    )
