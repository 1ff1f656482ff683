"""The hash `shoal:stage:{user}` and the stream `shoal:stage_moves:{user}`: a user's stage, what was counted, and each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator

from shared.contracts.fields import VERSION, Amount, Count, Instant, Message
from shared.domain.stages.ladder import LadderState, Move
from shared.domain.stages.stage import Stage
from shared.domain.values.money import ZERO

_SEPARATOR: Final = ","


def _instants(value: object) -> object:
    return tuple(part for part in value.split(_SEPARATOR) if part) if isinstance(value, str) else value


def _names(value: object) -> object:
    return frozenset(part for part in value.split(_SEPARATOR) if part) if isinstance(value, str) else value


class StageRecord(Message):
    """Instants in epoch ms; `deviation_bps` is a sum over `measured` trades. `faults` and `standing` are comma-separated."""

    stage: Stage
    start: Stage
    since: Instant
    clean: Count = 0
    measured: Count = 0
    deviation_bps: Amount = ZERO
    faults: Annotated[tuple[Instant, ...], BeforeValidator(_instants)] = ()
    standing: Annotated[frozenset[str], BeforeValidator(_names)] = frozenset()
    cursor: str = ""
    held_back: str = ""
    ready: str = ""


def read_stage(fields: Mapping[str, str]) -> LadderState | None:
    """Return the state in the fields of a hash; None if there is none. Raises MalformedMessageError."""
    if not fields:
        return None
    record = StageRecord.parse(fields)
    return LadderState(**{name: getattr(record, name) for name in StageRecord.model_fields if name != "v"})


def write_stage(state: LadderState) -> dict[str, str]:
    """Return a state as the fields of its hash."""
    record = StageRecord.of(**{name: getattr(state, name) for name in StageRecord.model_fields if name != "v"})
    return {
        **record.fields(),
        "faults": _SEPARATOR.join(map(str, state.faults)),
        "standing": _SEPARATOR.join(sorted(state.standing)),
    }


def write_move(user: str, move: Move) -> dict[str, str]:
    """Return a step as the fields of its stream entry."""
    return {
        "v": VERSION,
        "user": user,
        "before": move.before,
        "after": move.after,
        "by": move.by,
        "reason": move.reason,
        "at": str(move.at),
    }
