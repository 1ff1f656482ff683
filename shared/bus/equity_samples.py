"""Writes the samples of one account's equity: one for each minute, quarter of an hour and hour, each kept for a time of its own.

The process that owns the account writes them, never the api. A sample that states the same amounts as the one before it is left
out, except for the hourly one: an account that holds nothing costs little. Nothing that trades may wait for a sample.
"""

from __future__ import annotations

from typing import Any, Final

from shared.bus.connection import Bus
from shared.bus.streams import flatten
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample

_ALWAYS: Final = "hour"
_KNOWN: Final = "equal or smaller"
"""How Redis refuses a second sample of an interval."""


class EquitySamples:
    """The samples of one account, for their only writer. In memory it only keeps what it wrote last."""

    def __init__(self, bus: Bus, user: str, venue: str) -> None:
        self._bus = bus
        self._user = user
        self._venue = venue
        self._last: dict[str, tuple[int, dict[str, str]]] = {}

    def due(self, now: int) -> bool:
        """Return whether a minute has begun that has no sample by this writer yet (`now`: epoch ms)."""
        return any(step.start(now) != self._last.get(name, (-1, {}))[0] for name, step in EQUITY_STEPS.items())

    async def add(self, sample: EquitySample, now: int) -> str:
        """Write a sample where an interval has none; return why Redis refused it, or an empty text. Raises BusUnavailable."""
        fields = sample.fields()
        commands: list[tuple[str | int | bytes, ...]] = []
        for name, step in EQUITY_STEPS.items():
            start, before = step.start(now), self._last.get(name)
            if before is not None and before[0] == start:
                continue
            self._last[name] = (start, fields)
            if before is None or before[1] != fields or name == _ALWAYS:
                key = keys.equity(self._user, self._venue, name)
                oldest = max(now - step.kept_ms, 0)
                commands.append(("XADD", key, "MINID", "~", oldest, f"{max(start, 1)}-0", *flatten(fields)))
        return _refusal(await self._bus.do_all(commands) if commands else [])


def _refusal(answers: list[Any]) -> str:
    return next((str(each) for each in answers if isinstance(each, Exception) and _KNOWN not in str(each)), "")
