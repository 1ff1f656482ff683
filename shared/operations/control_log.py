"""The control log: who changed what, when and why. One stream for everything that a person does to a running Shoal.

It is bounded, and written after the change itself: a stop must never wait for its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry, flatten, read_entries
from shared.contracts import keys
from shared.contracts.fields import VERSION
from shared.domain.values.numerals import whole

KEPT: Final = 100_000
"""Changes kept in the log; older ones are trimmed."""
EVERYBODY: Final = "everybody"
"""What `of` says of a change for all users."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry. `of` is what was changed (a user, a symbol, an order, `everybody`), `mode` the kill switch's mode or the action.

    `action` and `effect` are what was chosen and what it did in words; `confirmation` is the id of the confirmation, if one was
    asked for. `at` is in epoch ms.
    """

    of: str
    before: str
    mode: str
    reason: str
    by: str
    at: int
    action: str = ""
    effect: str = ""
    confirmation: str = ""
    id: str = ""

    def fields(self) -> dict[str, str]:
        """Return the fields of the entry; those that are new in the stream only where they say something."""
        said = {"v": VERSION, "of": self.of, "before": self.before, "mode": self.mode}
        said |= {"reason": self.reason, "by": self.by, "at": str(self.at)}
        more = {"action": self.action, "effect": self.effect, "confirmation": self.confirmation}
        return said | {name: value for name, value in more.items() if value}

    @staticmethod
    def read(entry: Entry) -> Change:
        """Parse an entry; what is missing is empty, since people and older versions write here too."""
        of = entry.fields.get
        return Change(
            of=of("of", ""),
            before=of("before", ""),
            mode=of("mode", ""),
            reason=of("reason", ""),
            by=of("by", ""),
            at=whole(of("at", "")) or 0,
            action=of("action", "") or of("mode", ""),
            effect=of("effect", ""),
            confirmation=of("confirmation", ""),
            id=entry.id,
        )


async def write_change(bus: Bus, change: Change) -> str:
    """Append a change, and return its entry id. Raises BusUnavailable."""
    return str(await bus.do("XADD", keys.CONTROL_LOG, "MAXLEN", "~", KEPT, "*", *flatten(change.fields())))


async def read_changes(bus: Bus, count: int, before: str = "") -> Sequence[Change]:
    """Read the newest changes, newest first; with `before` those older than that entry. Raises BusUnavailable."""
    end = f"({before}" if before else "+"
    rows = await bus.do("XREVRANGE", keys.CONTROL_LOG, end, "-", "COUNT", count)
    return [Change.read(entry) for entry in read_entries(keys.CONTROL_LOG, rows)]


async def last_change(bus: Bus) -> str:
    """Return the id of the newest entry, which changes with every change; empty if there is none. Raises BusUnavailable."""
    rows = await bus.do("XREVRANGE", keys.CONTROL_LOG, "+", "-", "COUNT", 1)
    return str(rows[0][0]) if rows else ""
