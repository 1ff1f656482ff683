"""Writes decisions into users' streams: one template for all users of a plan, filled with each user's own values.

Validating and formatting every field of each order, most of which are equal, would cost the engine more than deciding. The
template is built from an ordinary message, so that only the schema defines names and order. The values come from the domain, so
they are not checked again.
"""

from __future__ import annotations

from typing import Final

from services.copy_engine.decisions.input_recorder import PlanInputs
from shared.bus.client.template import CommandTemplate
from shared.contracts.decision_inputs import INPUTS
from shared.contracts.messages import OrderMessage
from shared.domain.copying.decision_plan import DecisionPlan, ExitCopy, Judgement
from shared.domain.copying.follower import Follower
from shared.domain.order import Decision
from shared.domain.sizing import EntrySize
from shared.domain.skip import Skip
from shared.domain.values.money import plain

_OWN: Final = frozenset({"id", "user", "base_size", "reason", "user_equity", "emitted_at", INPUTS})
"""Fields that differ between users with the same kind of judgement; `OrderWriter.command` fills them in schema order."""
_STREAM_PLACE, _FIRST_VALUE_PLACE = 1, 4
"""Places of the stream and of the first field's value in `XADD stream id name value ...`."""


class OrderWriter:
    """Writes the decisions of one plan under the id of the signal's entry."""

    def __init__(self, plan: DecisionPlan, entry_id: str, inputs: PlanInputs | None = None) -> None:
        """`inputs` writes what each decision was made from; without it the field is left out."""
        self.plan = plan
        self._inputs = inputs
        self._entry_id = entry_id
        self._templates: dict[object, CommandTemplate] = {}

    def command(self, stream: str, follower: Follower, judgement: Judgement, now: int) -> bytes:
        """Return the command that appends one user's decision to their stream; it equals what `DecisionPlan.decision` returns."""
        kind = _kind(judgement, follower)
        template = self._templates.get(kind)
        if template is None:
            template = self._templates[kind] = self._template(self.plan.decision(follower, judgement, now))
        user, equity = follower.policy.user, follower.equity
        inputs = () if self._inputs is None else (self._inputs.text(follower),)
        return template.filled(
            stream,
            self.plan.order_id(user),
            user,
            plain(judgement.size.amount) if isinstance(judgement, EntrySize) else "",
            judgement.reason,
            "" if equity is None else plain(equity.amount),
            str(now),
            *inputs,
        )

    def fields(self, follower: Follower, judgement: Judgement, now: int) -> dict[str, str]:
        """Return the fields that `command` appends, for a decision that has to be written later."""
        fields = OrderMessage.from_domain(self.plan.decision(follower, judgement, now)).fields()
        return fields if self._inputs is None else fields | {INPUTS: self._inputs.text(follower)}

    def _template(self, example: Decision) -> CommandTemplate:
        fields = OrderMessage.from_domain(example).fields()
        if self._inputs is not None:
            fields[INPUTS] = ""
        flat = [part for pair in fields.items() for part in pair]
        own = {_FIRST_VALUE_PLACE + 2 * number for number, name in enumerate(fields) if name in _OWN}
        return CommandTemplate(["XADD", "", self._entry_id, *flat], {_STREAM_PLACE} | own)


def _kind(judgement: Judgement, follower: Follower) -> object:
    """Return a key that is equal for judgements whose orders differ only in the fields of `_OWN`."""
    if isinstance(judgement, Skip):
        return judgement.code
    return judgement.symbol if isinstance(judgement, ExitCopy) else follower.stage
