"""Reads the signals that have been carried already, to know what the master has open. Only while somebody is to be joined."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from services.copy_engine.followers.open_positions import OpenPositions
from shared.bus.connection import Bus
from shared.bus.streams import Group, entry_ms, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage

_PAGE: Final = 500
_PAGES_AT_ONCE: Final = 4
"""Pages read between two signals: a tenth of a second, for which an exit may have to wait."""


class PastSignals:
    """The signal stream up to the last signal that was carried. Every method may raise BusUnavailable."""

    def __init__(self, bus: Bus, group: Group) -> None:
        self._bus = bus
        self._group = group
        self._read_to = "0-0"
        self.open = OpenPositions()

    async def catch_up(self) -> bool:
        """Read on, a little at a time; False if there is more of it."""
        carried = await self._group.last_delivered(keys.SIGNALS)
        for _ in range(_PAGES_AT_ONCE):
            rows = await self._bus.do("XRANGE", keys.SIGNALS, f"({self._read_to}", carried, "COUNT", _PAGE)
            for entry in read_entries(keys.SIGNALS, rows):
                self._read_to = entry.id
                with suppress(MalformedMessageError):  # carried to nobody either: it is a dead letter
                    self.open.take(entry.id, SignalMessage.parse(entry.fields).to_domain())
            if len(rows) < _PAGE:
                return True
        return False

    async def horizon(self) -> int:
        """Give an instant (epoch ms of Redis) before which every signal has been carried; 0 if some are still waiting.

        A signal that comes after this look has an id of that instant or later.
        """
        seconds, micros = await self._bus.do("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        carried = await self._group.last_delivered(keys.SIGNALS)
        waiting = await self._bus.do("XRANGE", keys.SIGNALS, f"({carried}", "+", "COUNT", 1)
        return 0 if waiting or entry_ms(carried) >= now else now
