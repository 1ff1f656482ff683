"""Reads the signals that have been distributed, to know the master's open positions. Only while a join is pending."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from services.copy_engine.followers.open_positions import OpenPositions
from shared.bus.connection import Bus
from shared.bus.flow.streams import Group, entry_ms, read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage

_PAGE: Final = 500
_PAGES_AT_ONCE: Final = 4
"""Pages read between two signals: an exit may have to wait for them, for about a tenth of a second."""


class PastSignals:
    """The signal stream up to the last distributed signal. Every method may raise BusUnavailable."""

    def __init__(self, bus: Bus, group: Group) -> None:
        self._bus = bus
        self._group = group
        self._read_to = "0-0"
        self.positions = OpenPositions()

    async def catch_up(self) -> bool:
        """Read some more signals; return False if there are more left."""
        distributed = await self._group.last_delivered(keys.SIGNALS)
        for _ in range(_PAGES_AT_ONCE):
            rows = await self._bus.do("XRANGE", keys.SIGNALS, f"({self._read_to}", distributed, "COUNT", _PAGE)
            for entry in read_entries(keys.SIGNALS, rows):
                self._read_to = entry.id
                with suppress(MalformedMessageError):  # no user got it either: it is a dead letter
                    self.positions.apply(entry.id, SignalMessage.parse(entry.fields).to_domain())
            if len(rows) < _PAGE:
                return True
        return False

    async def horizon(self) -> int:
        """Return an instant (epoch ms of Redis) before which every signal has been distributed; 0 if some are waiting.

        A signal that is emitted after this call has an id of that instant or later.
        """
        seconds, micros = await self._bus.do("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        distributed = await self._group.last_delivered(keys.SIGNALS)
        waiting = await self._bus.do("XRANGE", keys.SIGNALS, f"({distributed}", "+", "COUNT", 1)
        return 0 if waiting or entry_ms(distributed) >= now else now
