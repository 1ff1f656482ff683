"""Finds signals that wait although the engine has a heartbeat: a process that lives and does not work is as bad as a dead one."""

from __future__ import annotations

from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.config.notifications import Event
from shared.contracts import keys
from shared.ledger.backlog import read_backlog

_AFTER_MS: Final = 60_000
"""A signal is decided within seconds; a take-over by another engine takes 20 s."""


class WaitingSignals:
    """Remembers since when the engine has not moved on although signals wait."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen: tuple[str, int] | None = None
        self._since = 0

    async def read(self, now: int) -> list[Cause]:
        """Return the cause, if nothing has been decided for long. Raises BusUnavailable."""
        rows = [each for each in await read_backlog(self._bus, []) if each.group == keys.ENGINE]
        waiting = sum(each.waiting for each in rows)
        seen = (rows[0].last_delivered, rows[0].pending) if rows and waiting else None
        if seen is None or seen != self._seen:
            self._seen, self._since = seen, now
        if seen is None or now - self._since < _AFTER_MS:
            return []
        what = f"{waiting} signal{'' if waiting == 1 else 's'} {'waits' if waiting == 1 else 'wait'}, and nothing is decided"
        todo = "ops status; restart the copy engine: signals wait for it, and it goes on where it was"
        return [Cause(Event.BLOCKED, "backlog", "the copy engine", what, self._since, todo, keys.ENGINE)]
