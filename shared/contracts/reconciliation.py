"""How an operator asks an executor to compare positions with balances, and how it answers.

The request stands in `shoal:control:{user}`, beside the kill switch; each of the user's accounts answers it in
`shoal:reconciled:{user}:<venue>`.
"""

from __future__ import annotations

from enum import StrEnum

from shared.contracts.fields import Count, Instant, Message


class ReconcileMode(StrEnum):
    """What a pass may do: tell differences, or lower the records to what the account has as well. Neither trades."""

    CHECK = "check"
    REPAIR = "repair"


class ReconcileRequest(Message):
    """Two fields of the control hash. A request is known by its instant (epoch ms)."""

    reconcile_at: Instant
    reconcile_mode: ReconcileMode = ReconcileMode.CHECK

    def fields(self) -> dict[str, str]:
        """Write it as fields of the control hash, which has no version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class ReconcileAnswer(Message):
    """What came of the pass that answered the request of `asked_at`.

    `found` and `repaired` count positions; `left_out` names the symbols that could not be judged because something is under way
    or has just traded; `reason` says why there was no pass at all.
    """

    asked_at: Instant
    at: Instant
    found: Count = 0
    repaired: Count = 0
    left_out: str = ""
    reason: str = ""
