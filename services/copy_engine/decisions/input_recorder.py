"""Writes beside each decision what it was made from, so that `ops what-if` can repeat it.

It must never change a decision, read anything, or delay an order: all it needs is in memory already. Nearly every user's
account is the one of the signal before, and so is its text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from shared.contracts.decision_inputs import write_account, write_held, write_plan, write_rest_of_entry, write_risk
from shared.domain.copying.decision_plan import DecisionPlan
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Kind
from shared.domain.values.symbol import Symbol

_Records = tuple[Any, Any, str]
"""An account and a risk state, and their text."""

log = structlog.get_logger()


class InputRecorder:
    """The recorder of one engine's turn; keeps the text of each user's latest records."""

    def __init__(self, settings: Callable[[UserPolicy], str]) -> None:
        """`settings` returns the fingerprint of a user's settings."""
        self._settings = settings
        self._records: dict[str, _Records] = {}

    def of_plan(self, plan: DecisionPlan, policy: UserPolicy, clock_refusal: str) -> PlanInputs:
        """Return the writer of one plan's inputs; `policy` is that of any user of the plan."""
        if plan.signal.kind is Kind.EXIT:
            shared = write_plan(self._settings(policy), plan.venue, None, None)
            return PlanInputs(shared, self._records, plan.signal.symbol.base)
        shared = write_plan(self._settings(policy), plan.venue, plan.instrument, plan.price, clock_refusal)
        return PlanInputs(shared, self._records, "")


class PlanInputs:
    """The inputs of the decisions of one plan."""

    def __init__(self, shared: str, records: dict[str, _Records], base: str) -> None:
        """`base` is the coin of an exit; empty for an entry."""
        self._shared = shared
        self._records = records
        self._base = base
        self._held: dict[frozenset[Symbol], str] = {}

    def text(self, follower: Follower) -> str:
        """Return the field `inputs` of one user's decision; an empty one if it cannot be written, which holds up no decision."""
        try:
            if self._base:
                return self._of_exit(follower.held)
            user, account, risk = follower.policy.user, follower.account, follower.risk
            known = self._records.get(user)
            if known is None or known[0] is not account or known[1] is not risk:
                known = self._records[user] = (account, risk, write_account(account) + write_risk(risk))
            return f"{{{self._shared}{known[2]}{write_rest_of_entry(follower)}}}"
        except Exception:  # the decision counts, not what is kept beside it
            log.exception("the inputs of a decision could not be written", user=follower.policy.user)
            return ""

    def _of_exit(self, held: frozenset[Symbol]) -> str:
        text = self._held.get(held)
        if text is None:
            text = self._held[held] = f"{{{self._shared}{write_held(held, self._base)}}}"
        return text
