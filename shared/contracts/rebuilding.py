"""The operator's request to rebuild positions that Redis has lost, and the executor's answer.

The request is in `shoal:control:{user}`, beside the kill switch; each of the user's accounts answers it in
`shoal:rebuilt:{user}:<venue>`. Only the executor asks the venue: a call with the user's key from elsewhere would invalidate its
nonces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

from shared.contracts.fields import Instant, Message


class RebuildMode(StrEnum):
    """What is asked: report what the venue's record amounts to, write it, or start with no positions and disown the orders."""

    LOOK = "look"
    WRITE = "write"
    DISOWN = "disown"


class RebuildRequest(Message):
    """Two fields of the control hash. A request is identified by its instant (epoch ms)."""

    rebuild_at: Instant
    rebuild_mode: RebuildMode = RebuildMode.LOOK

    def fields(self) -> dict[str, str]:
        """Return the request as fields of the control hash, which has no version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class RebuildAnswer(Message):
    """The answer to the request of `asked_at`. `held` is JSON: size and cost by symbol, as `held_text` writes it.

    `orders` is the number of orders found; `uncovered` names symbols of which more was sold than these orders bought; `reason`
    says why a requested write did not happen.
    """

    asked_at: Instant
    at: Instant
    orders: int = 0
    held: str = "{}"
    uncovered: str = ""
    written: bool = False
    reason: str = ""


def held_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return (symbol, size, cost) rows as JSON, amounts with their units."""
    return json.dumps({symbol: [size, cost] for symbol, size, cost in rows})


def read_held(text: str) -> Mapping[str, tuple[str, str]]:
    """Parse the text of `held_text`; empty if it cannot be read."""
    try:
        found = json.loads(text)
        return {str(symbol): (str(size), str(cost)) for symbol, (size, cost) in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
