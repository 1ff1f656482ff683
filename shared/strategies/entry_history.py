"""When a strategy last entered and how often on that day: all that its caps need to know of the past. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class EntryHistory:
    """What the caps need to know of earlier entries. Rebuild it with `entered` from the instants of recorded entries."""

    last_entry: int | None = None
    """Epoch ms of market time."""
    day: int = 0
    """The UTC day of the last entry, counted from 1970."""
    entries: int = 0
    """Entries of that day."""

    def entered(self, at: int) -> EntryHistory:
        """Return the history after an entry at an instant (epoch ms of market time)."""
        day = at // DAY_MS
        last = at if self.last_entry is None else max(at, self.last_entry)
        if day < self.day:
            return replace(self, last_entry=last)
        return EntryHistory(last, day, self.entries + 1 if day == self.day else 1)

    def entries_on(self, at: int) -> int:
        """Return the number of entries on the UTC day of an instant."""
        return self.entries if at // DAY_MS == self.day else 0
