"""The signal stream for its only writer: append each signal once, and read back what was emitted."""

from __future__ import annotations

from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, flatten, read_entries
from shared.bus.scripts import load
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from shared.domain.signal import Signal
from shared.domain.values.numerals import whole

_REMEMBER_MS: Final = 30 * 24 * 3600 * 1000
"""How long the id of an emitted signal is kept: far longer than the period for which a venue's recent fills are queried."""


class SignalLog:
    """Appends signals to `shoal:signals`, each id once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def emit(self, signal: Signal) -> str | None:
        """Append a signal and return its entry id; None if this id was emitted before. Raises BusUnavailable: repeat it."""
        answer = await self._bus.run(
            load("emit_signal"),
            [keys.SIGNALS, keys.EMITTED],
            [
                signal.id,
                signal.emitted_at,
                signal.emitted_at - _REMEMBER_MS,
                *flatten(SignalMessage.from_domain(signal).fields()),
            ],
        )
        return str(answer) if answer else None

    async def latest(self, count: int) -> list[Entry]:
        """Read the newest entries, newest first."""
        return read_entries(keys.SIGNALS, await self._bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", count))

    async def fill_cursor(self, user: str, venue: str) -> int | None:
        """Read the instant (epoch ms) from which fills have to be compared with the stream; None before the first start."""
        return whole(await self._bus.do("GET", keys.fill_cursor(user, venue)))

    async def set_fill_cursor(self, user: str, venue: str, until: int) -> None:
        """Record that every fill of an order that ended before `until` (epoch ms) was emitted or is never copied."""
        await self._bus.do("SET", keys.fill_cursor(user, venue), until)
