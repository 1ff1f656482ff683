"""The operator's request to compare positions with balances, and the executor's answer.

The request is in `shoal:control:{user}`, beside the kill switch; each of the user's accounts answers it in
`shoal:reconciled:{user}:<venue>`.
"""

from __future__ import annotations

from enum import StrEnum

from shared.contracts.fields import Count, Instant, Message


class ReconcileMode(StrEnum):
    """What a pass may do: only report differences, or also lower the records to the account's balances. Neither trades."""

    CHECK = "check"
    REPAIR = "repair"


class ReconcileRequest(Message):
    """Two fields of the control hash. A request is identified by its instant (epoch ms)."""

    reconcile_at: Instant
    reconcile_mode: ReconcileMode = ReconcileMode.CHECK

    def fields(self) -> dict[str, str]:
        """Return the request as fields of the control hash, which has no version."""
        return {name: value for name, value in super().fields().items() if name != "v"}


class ReconcileAnswer(Message):
    """The result of the pass that answered the request of `asked_at`.

    `found` and `repaired` count positions; `left_out` names the symbols that could not be compared because an order is in flight
    or has just traded; `reason` says why there was no pass at all.
    """

    asked_at: Instant
    at: Instant
    found: Count = 0
    repaired: Count = 0
    left_out: str = ""
    reason: str = ""
