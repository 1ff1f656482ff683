"""One field of `shoal:exits:{user}:<venue>`: an own exit without an outcome yet, as JSON under its symbol.

One of what is held for a named master has the field `<symbol> <master>`, so that it stands beside that of the main book.
"""

from __future__ import annotations

import json

from shared.contracts.fields import Id, Instant, Message, read_json_object
from shared.domain.order import Decision
from shared.domain.own_exit import restore_own_exit
from shared.domain.position import MAIN
from shared.domain.values.master_name import is_master_name
from shared.domain.values.symbol import Symbol


class OwnExitRecord(Message):
    """The id of the order, why it was decided (`code`: the rule as a stable word) and when (epoch ms)."""

    id: Id
    reason: str = ""
    code: str = ""
    at: Instant


def own_exit_field(decision: Decision) -> str:
    """Return the name of an own exit's field."""
    return f"{decision.symbol} {decision.master}" if decision.master else str(decision.symbol)


def write_own_exit(decision: Decision) -> str:
    """Return an own exit as the text of its field."""
    record = OwnExitRecord(id=decision.id, reason=decision.reason, code=decision.code, at=decision.signal_at)
    return json.dumps(record.fields())


def read_own_exit_field(field: str) -> tuple[Symbol, str]:
    """Parse the name of an own exit's field to its symbol and master. Raises ValueError."""
    name, _, master = field.partition(" ")
    if master and not is_master_name(master):
        raise ValueError(f"{master!r} is not the name of a master")
    return Symbol.parse(name), master


def read_own_exit(user: str, venue: str, symbol: Symbol, written: str, *, master: str = MAIN) -> Decision:
    """Parse an own exit. Raises MalformedMessageError."""
    record = OwnExitRecord.parse(read_json_object(written))
    return restore_own_exit(record.id, user, venue, symbol, record.reason, record.at, code=record.code, master=master)
