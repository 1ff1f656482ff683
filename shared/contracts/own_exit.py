"""One field of `shoal:exits:{user}:<venue>`: an own exit without an outcome yet, as JSON under its symbol."""

from __future__ import annotations

import json

from shared.contracts.fields import Id, Instant, Message, read_json_object
from shared.domain.order import Decision
from shared.domain.own_exit import restore_own_exit
from shared.domain.values.symbol import Symbol


class OwnExitRecord(Message):
    """The id of the order, why it was decided (`code`: the rule as a stable word) and when (epoch ms)."""

    id: Id
    reason: str = ""
    code: str = ""
    at: Instant


def write_own_exit(decision: Decision) -> str:
    """Return an own exit as the text of its field."""
    record = OwnExitRecord(id=decision.id, reason=decision.reason, code=decision.code, at=decision.signal_at)
    return json.dumps(record.fields())


def read_own_exit(user: str, venue: str, symbol: Symbol, written: str) -> Decision:
    """Parse an own exit. Raises MalformedMessageError."""
    record = OwnExitRecord.parse(read_json_object(written))
    return restore_own_exit(record.id, user, venue, symbol, record.reason, record.at, code=record.code)
