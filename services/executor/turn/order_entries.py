"""Reads the entries of one user's order stream, and refuses those that lie: they become dead letters with the reason.

An entry is taken at its word in nothing that can be checked here. It must be this user's, and the one decision on its signal for
its venue: a second one under another order id would be a second order, since that id is what makes sending it once possible.
"""

from __future__ import annotations

from typing import Final

from shared.bus.streams import Entry
from shared.contracts.fields import MalformedMessageError
from shared.contracts.plain_orders import read_decision
from shared.domain.order import Decision

_REMEMBERED: Final = 10_000
"""Signals whose order is remembered: weeks of a busy master, and far more than are ever delivered together."""


class OrderEntries:
    """The entries of one user as one turn sees them."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._decided: dict[tuple[str, str], str] = {}
        """The order's id by signal and venue."""

    def read(self, entry: Entry) -> Decision:
        """Return the decision that an entry holds. Raises MalformedMessageError with what is wrong with it."""
        decision = read_decision(entry.fields)
        if decision.user != self._user:
            raise MalformedMessageError(f"OrderMessage.user: {decision.user!r} in the stream of {self._user!r}")
        self._check_only(decision)
        return decision

    def _check_only(self, decision: Decision) -> None:
        known = self._decided.get((decision.signal_id, decision.venue))
        if known is None:
            while len(self._decided) >= _REMEMBERED:
                del self._decided[next(iter(self._decided))]
            self._decided[decision.signal_id, decision.venue] = decision.id
        elif known != decision.id:
            raise MalformedMessageError(f"OrderMessage.id: a second decision on its signal; the first is {known}")
