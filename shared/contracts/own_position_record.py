"""One field of `shoal:strategy:{master}:<venue>`: what a strategy holds of a symbol, with its exit plan, as JSON.

The field is the symbol for the first strategy, whose records are older than this, and `symbol strategy` for any other. The JSON
is that of a position with two more keys, so that an older program reads it as the position that it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from shared.contracts.exit_plan_record import read_exit_plan, write_exit_plan
from shared.contracts.fields import Instant, MalformedMessageError, Message, read_json_object, type_or_blank
from shared.contracts.position_record import read_position, write_position
from shared.domain.values.symbol import Symbol
from shared.strategies.own_position import FIRST, OwnPosition


class _More(Message):
    entered_at: Annotated[Instant | None, type_or_blank] = None
    exit_plan: str = ""


@dataclass(frozen=True, slots=True)
class ReadOwnPosition:
    """A position as it was read; `plan_error` is why its plan could not be: the position is held all the same."""

    own: OwnPosition
    plan_error: str = ""


def own_position_field(strategy: str, symbol: Symbol) -> str:
    """Return the name of a position's field."""
    return str(symbol) if strategy == FIRST else f"{symbol} {strategy}"


def write_own_position(own: OwnPosition) -> str:
    """Return a position as the text of its field."""
    written = write_position(own.position)
    if own.plan is None and not own.entered_at:
        return written
    more = {"entered_at": str(own.entered_at or ""), "exit_plan": write_exit_plan(own.plan)}
    return json.dumps({**json.loads(written), **more})


def read_own_position(field: str, written: str) -> ReadOwnPosition:
    """Parse a position. Raises ValueError (MalformedMessageError is one) if what is held cannot be read."""
    name, _, strategy = field.partition(" ")
    position = read_position(written)
    if position.symbol != Symbol.parse(name):
        raise MalformedMessageError(f"is of {position.symbol}")
    own = OwnPosition(strategy or FIRST, position)
    try:
        more = _More.parse(read_json_object(written))
        plan = read_exit_plan(more.exit_plan)
    except MalformedMessageError as error:
        return ReadOwnPosition(own, str(error))
    return ReadOwnPosition(OwnPosition(own.strategy, position, plan, more.entered_at or 0))
