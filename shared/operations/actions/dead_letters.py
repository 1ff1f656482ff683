"""Dead letters: entries that no service could read, and what can be done about them.

Nothing here decides or trades: a dead letter is put back for the service that wrote it, or dropped on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.order.interventions import drop, put_back_order, put_back_signal
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, SignalMessage
from shared.ledger.open_issues import UNRESOLVED_STATES
from shared.ledger.reading import entries

_FIELD: Final = "field:"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One unreadable entry. A crash while writing can leave several dead letters of it; `newest` is the last."""

    stream: str
    entry_id: str
    ids: tuple[str, ...]
    newest: Entry

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the entry's fields as they were in its stream."""
        return {
            name.removeprefix(_FIELD): value for name, value in self.newest.fields.items() if name.startswith(_FIELD)
        }

    @property
    def unreadable(self) -> str:
        """Return why the entry is still unreadable; empty if it can be read now."""
        message = SignalMessage if self.stream == keys.SIGNALS else OrderMessage
        try:
            message.parse(self.fields)
        except MalformedMessageError as error:
            return str(error)
        return ""


async def find_dead_letter(bus: Bus, stream: str, entry_id: str) -> DeadLetter | None:
    """Find the dead letters of an entry; None if there are none. Raises BusUnavailable."""
    found = [each async for each in entries(bus, keys.dead(stream)) if each.fields.get("entry_id") == entry_id]
    return DeadLetter(stream, entry_id, tuple(each.id for each in found), found[-1]) if found else None


async def put_back(bus: Bus, letter: DeadLetter) -> str | None:
    """Write the entry back to be read again. Return its new entry id; None if the entry is no longer in its stream."""
    if letter.stream == keys.SIGNALS:
        return await put_back_signal(bus, letter.entry_id, letter.ids)
    known = await put_back_order(bus, letter.stream, letter.entry_id, letter.ids)
    return letter.entry_id if known else None


async def drop_on_record(bus: Bus, letter: DeadLetter, by: str, at: int, why: str) -> str:
    """Drop it on record. Return why that is not allowed; empty if it is done."""
    order = letter.fields.get("id", "")
    if letter.stream != keys.SIGNALS and order:
        state = await bus.do("HGET", keys.order(user_of(letter.stream), order), "state")
        if state in UNRESOLVED_STATES:
            return f"order {order} is {state}: it may have traded; put it back, or settle it with `ops resolve` first"
    await drop(bus, letter.stream, letter.entry_id, letter.ids, by=by, at=at, why=why)
    return ""
