"""The state of one exit between its tries. In memory only: a restart begins with what Redis and the venue hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.executor.orders.exit_funds import ExitFunds
from shared.domain.values.money import Quantity

_WAIT_FIRST, _WAIT_MOST = 0.5, 30.0
"""Seconds between the tries of an exit."""


@dataclass(slots=True)
class ExitProgress:
    """The tries of one exit. `suspect`: something may have been sent for it before this process began it."""

    suspect: bool = False
    begun: bool = False
    """Whether a leg was sent or a send was tried; before that there is no record to read."""
    tries: int = 0
    refusals: int = 0
    funds: ExitFunds = field(default_factory=ExitFunds)
    sent_at: int | None = None
    accepted_at: int | None = None
    venue_order_id: str = ""
    last: str = ""
    """Why the last try did not end the exit."""
    sized: bool = False
    """Whether this process has sized a leg, and so knows what it leaves."""
    dust: Quantity | None = None
    """What stays held after the last sized leg, because it is below the venue's minimum."""

    def pause(self) -> float:
        """Return the seconds to wait before the next try."""
        return min(_WAIT_FIRST * 2.0 ** min(self.tries, 10), _WAIT_MOST)
