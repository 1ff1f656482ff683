"""The entry ids of joined entries in a user's order stream.

Every other decision has the id of its signal's entry. A user who joins the master's open positions gets a decision on a signal
from before they followed, whose id their stream may be past. So the decision gets an id in a millisecond whose signals have all
been decided (or the stream would refuse the decision on the next one), with a sequence number that no signal's id reaches, so
that readers of the stream can distinguish it.
"""

from __future__ import annotations

from typing import Final

from shared.bus.flow.streams import entry_order

_FIRST: Final = 2**32
"""Redis numbers the entries of one millisecond from 0: no signal comes near this."""


def joined_id(horizon: int, last: str) -> str:
    """Return the id for one more joined entry: before `horizon` (epoch ms), unless the stream's `last` id is past it already."""
    ms, sequence = max((horizon - 1, _FIRST - 1), entry_order(last))
    return f"{ms}-{max(sequence + 1, _FIRST)}"


def is_joined(entry_id: str) -> bool:
    """Return whether an entry of an order stream was written because its user joined an open position of the master."""
    return entry_order(entry_id)[1] >= _FIRST
