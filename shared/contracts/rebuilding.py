"""How an operator asks an executor to rebuild books that Redis has lost, and how it answers.

The request stands in `shoal:control:{user}`, beside the kill switch; each of the user's accounts answers it in
`shoal:rebuilt:{user}:<venue>`. The executor asks the venue: a call with the user's key from elsewhere would void its nonces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

from shared.contracts.fields import Instant, Message


class RebuildMode(StrEnum):
    """What is asked: to tell what the venue's record comes to, to write it, or to begin empty books: the orders are nobody's."""

    LOOK = "look"
    WRITE = "write"
    DISOWN = "disown"


class RebuildRequest(Message):
    """Two fields of the control hash. A request is known by its instant (epoch ms)."""

    rebuild_at: Instant
    rebuild_mode: RebuildMode = RebuildMode.LOOK

    def fields(self) -> dict[str, str]:
        """Write it as fields of the control hash, which has no version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class RebuildAnswer(Message):
    """What came of the request of `asked_at`. `held` is JSON: size and cost by symbol, as `held_text` writes it.

    `orders` were counted; `uncovered` names symbols of which more was sold than these orders bought; `reason` says why nothing
    was written though it was asked for.
    """

    asked_at: Instant
    at: Instant
    orders: int = 0
    held: str = "{}"
    uncovered: str = ""
    written: bool = False
    reason: str = ""


def held_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """Write (symbol, size, cost) rows, amounts with their units."""
    return json.dumps({symbol: [size, cost] for symbol, size, cost in rows})


def read_held(text: str) -> Mapping[str, tuple[str, str]]:
    """Read what `held_text` wrote; nothing where it cannot be read."""
    try:
        found = json.loads(text)
        return {str(symbol): (str(size), str(cost)) for symbol, (size, cost) in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
