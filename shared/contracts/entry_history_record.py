"""One field of `shoal:strategy_entries:{master}:<venue>`: what the caps of a strategy need to know of its entries, as JSON."""

from __future__ import annotations

import json
from typing import Annotated

from shared.contracts.fields import Count, Instant, Message, read_json_object, type_or_blank
from shared.strategies.entry_history import EntryHistory


class EntryHistoryRecord(Message):
    """`last_entry` in epoch ms of market time, `day` in UTC days since 1970, `entries` of that day."""

    last_entry: Annotated[Instant | None, type_or_blank] = None
    day: Count = 0
    entries: Count = 0


def write_entry_history(history: EntryHistory) -> str:
    """Return it as the text of its field."""
    record = EntryHistoryRecord(last_entry=history.last_entry, day=history.day, entries=history.entries)
    return json.dumps(record.fields())


def read_entry_history(written: str) -> EntryHistory:
    """Parse it. Raises MalformedMessageError."""
    record = EntryHistoryRecord.parse(read_json_object(written))
    return EntryHistory(record.last_entry, record.day, record.entries)
