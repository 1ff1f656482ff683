"""Under which ids joined entries stand in a user's order stream.

Every other decision stands under the id of its signal's entry. A user who joins what the master has open is told of a signal from
before he followed, whose id his stream may be past. So his decision stands in a millisecond of which every signal has been
carried, or the stream would refuse the decision on the next one, and under a number that no signal's id reaches, so that whoever
reads the stream can tell it from the others.
"""

from __future__ import annotations

from typing import Final

from shared.bus.streams import entry_order

_FIRST: Final = 2**32
"""Redis numbers the entries of one millisecond from 0 on: no signal comes near this."""


def joined_id(horizon: int, last: str) -> str:
    """Return the id for one more joined entry: before `horizon` (epoch ms), unless the stream's `last` id is past it already."""
    ms, sequence = max((horizon - 1, _FIRST - 1), entry_order(last))
    return f"{ms}-{max(sequence + 1, _FIRST)}"


def is_joined(entry_id: str) -> bool:
    """Return whether an entry of an order stream stands there because its user joined what the master had open."""
    return entry_order(entry_id)[1] >= _FIRST
