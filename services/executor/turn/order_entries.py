"""Parses the entries of one user's order stream, and refuses false ones: they become dead letters with the reason.

Whatever can be checked here is checked. An entry must be this user's, and the only decision on its signal, whatever its venue: a
second one with another order id would be a second order, since sending once depends on that id.
"""

from __future__ import annotations

from typing import Final

from shared.bus.flow.streams import Entry
from shared.contracts.fields import MalformedMessageError
from shared.contracts.plain_orders import read_decision
from shared.domain.order import Decision

_REMEMBERED: Final = 1_000
"""How many signals are remembered: days of a busy master, and more than are ever delivered together. Each takes 0.2 kB."""


class OrderEntries:
    """The entries of one user in one turn."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._decided: dict[str, str] = {}
        """The order id by signal."""

    def read(self, entry: Entry) -> Decision:
        """Parse the decision in an entry. Raises MalformedMessageError with the reason."""
        decision = read_decision(entry.fields)
        if decision.user != self._user:
            raise MalformedMessageError(f"OrderMessage.user: {decision.user!r} in the stream of {self._user!r}")
        self._check_only(decision)
        return decision

    def _check_only(self, decision: Decision) -> None:
        known = self._decided.get(decision.signal_id)
        if known is None:
            while len(self._decided) >= _REMEMBERED:
                del self._decided[next(iter(self._decided))]
            self._decided[decision.signal_id] = decision.id
        elif known != decision.id:
            raise MalformedMessageError(f"OrderMessage.id: a second decision on its signal; the first is {known}")
