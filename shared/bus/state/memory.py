"""How full Redis is. A full one refuses every write, so that nothing is copied and no exit is sent: people must hear of it first.

It must never be the reason why something else fails: where Redis does not allow the question, the answer is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused

NEARLY_FULL: Final = 85
"""Percent of the limit from which on it is reported."""
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What Redis holds, and how much it may hold, in bytes; a limit of 0 is none."""

    used: int
    limit: int

    @property
    def percent(self) -> int:
        """Return the share of the limit in percent, rounded down; 0 without a limit."""
        return self.used * 100 // self.limit if self.limit else 0

    @property
    def nearly_full(self) -> bool:
        """Whether it will soon refuse writes."""
        return self.percent >= NEARLY_FULL

    @property
    def words(self) -> str:
        """Describe it for people."""
        return (
            f"Redis holds {self.used / _MIB:,.0f} of the {self.limit / _MIB:,.0f} MiB that it may ({self.percent} %); when it is "
            "full it refuses writes, so that nothing is copied and no exit is sent"
        )


async def read_memory(bus: Bus) -> MemoryUse | None:
    """Return how full Redis is, in a cluster its fullest server; None if none says. Raises BusUnavailable."""
    try:
        answers = await bus.do_everywhere("INFO", "memory")
    except (BusForbidden, BusRefused):
        return None
    known = [use for text in answers.values() if (use := _memory_use(str(text))) is not None]
    return max(known, key=lambda use: (use.percent, use.used), default=None)


def _memory_use(text: str) -> MemoryUse | None:
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    used, limit = fields.get("used_memory", ""), fields.get("maxmemory", "")
    return MemoryUse(int(used), int(limit)) if used.isdigit() and limit.isdigit() else None
