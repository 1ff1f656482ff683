"""Writes the samples of one account's equity: one for each minute, quarter of an hour, hour and half day, each kept for its time.

The process that owns the account writes them, never the api. A sample that states the same amounts as the one before it is left
out, except for the hourly and the rarer ones. Nothing that trades may wait for a sample.
"""

from __future__ import annotations

from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.bus.scripts import load
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample, write_sample
from shared.contracts.sample_ring import write_label, write_minute

_ALWAYS: Final = frozenset({"hour", "half_day"})
_PUT: Final = load("put_sample")


class EquitySamples:
    """The samples of one account, for their only writer. In memory it only keeps what it wrote last."""

    def __init__(self, bus: Bus, user: str, venue: str) -> None:
        self._bus = bus
        self._user = user
        self._venue = venue
        self._last: dict[str, tuple[int, EquitySample]] = {}

    def due(self, now: int) -> bool:
        """Return whether a minute has begun that has no sample by this writer yet (`now`: epoch ms)."""
        return any(step.start(now) != self._last.get(name, (-1, None))[0] for name, step in EQUITY_STEPS.items())

    async def add(self, sample: EquitySample, now: int) -> str:
        """Write a sample where an interval has none; return why Redis refused it, or an empty text. Raises BusUnavailable."""
        refused = ""
        for name, step in EQUITY_STEPS.items():
            start, before = step.start(now), self._last.get(name)
            if before is not None and before[0] == start:
                continue
            self._last[name] = (start, sample)
            if before is None or before[1] != sample or name in _ALWAYS:
                words: list[str | int] = [step.size, step.offset(start), write_sample(now, sample)]
                words += [write_minute(start), write_label(sample.currency)]
                try:
                    await self._bus.run(_PUT, [keys.equity(self._user, self._venue, name)], words)
                except (BusRefused, BusForbidden) as error:
                    refused = refused or str(error)
        return refused
