"""The hash `shoal:heartbeat:<service>:<instance>`: a process's sign of life, its state and its faults."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from shared.contracts.fields import Count, Instant, Message, type_or_blank
from shared.domain.fault import Fault, FaultKind

MOST_PUBLISHED: Final = 50
"""Faults that a heartbeat carries at most: a thousand users with one cause must not make it a megabyte."""


class Phase(StrEnum):
    """How far a process has started. Programs use this word; `state` beside it is for people."""

    WAITING = "waiting"  # it runs, but does not do its work (yet)
    OPEN = "open"  # it does its work
    MIRROR = "mirror"  # a master that follows its account and does not trade itself


class HeartbeatRecord(Message):
    """`state` is a short text for people, `since` its instant; `capacity` and `serving` count users of an executor.

    `faults` is a JSON list of the active faults, `fault_counts` a JSON object of events by kind since the process started.
    `mode` is the kind of money that the process moves, `paper` or `live`. `phase` is blank where it has no meaning. `groups` are
    those whose users an executor serves, separated by commas; blank: the users without a group.
    """

    state: str = ""
    since: Annotated[Instant | None, type_or_blank] = None
    version: str = ""
    capacity: Annotated[Count | None, type_or_blank] = None
    serving: Annotated[Count | None, type_or_blank] = None
    faults: str = ""
    fault_counts: str = ""
    mode: str = ""
    phase: Annotated[Phase | None, type_or_blank] = None
    groups: str = ""


def write_faults(faults: Iterable[Fault]) -> str:
    """Return faults as the text of a heartbeat's field; only the first `MOST_PUBLISHED`."""
    rows = [
        {
            "kind": fault.kind,
            "subject": fault.subject,
            "reason": fault.reason,
            "since": fault.since,
            "count": fault.count,
            "blocks": fault.blocks,
        }
        for fault, _ in zip(faults, range(MOST_PUBLISHED), strict=False)
    ]
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def read_faults(text: str) -> tuple[Fault, ...]:
    """Parse the text of `write_faults`; what cannot be read (for example from another version) is left out."""
    return tuple(fault for row in _list(text) if (fault := _fault(row)) is not None)


def write_counts(events: Mapping[FaultKind, int]) -> str:
    """Return the text of the counts by kind."""
    return json.dumps(dict(sorted(events.items()))) if events else ""


def read_counts(text: str) -> Mapping[str, int]:
    """Parse the text of `write_counts`; kinds that this version does not know are kept."""
    found = _decoded(text)
    if not isinstance(found, dict):
        return {}
    return {kind: count for kind, count in found.items() if isinstance(count, int)}


def _fault(row: Any) -> Fault | None:
    try:
        return Fault(
            kind=FaultKind(row["kind"]),
            subject=str(row["subject"]),
            reason=str(row["reason"]),
            since=int(row["since"]),
            count=int(row["count"]),
            blocks=bool(row["blocks"]),
        )
    except (LookupError, TypeError, ValueError):
        return None


def _list(text: str) -> list[Any]:
    found = _decoded(text)
    return found if isinstance(found, list) else []


def _decoded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
