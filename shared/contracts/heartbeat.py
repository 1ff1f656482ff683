"""The hash `shoal:heartbeat:<service>:<instance>`: that a process lives, what it is doing, and what is wrong in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from shared.contracts.fields import Count, Instant, Message, type_or_blank
from shared.domain.fault import Fault, FaultKind

MOST_PUBLISHED: Final = 50
"""Faults that stand in a heartbeat: a thousand users with one cause must not make it a megabyte."""


class Phase(StrEnum):
    """How far a process has come. Programs go by this word; `state` beside it is for people."""

    WAITING = "waiting"  # it runs, and does not do its work (yet)
    OPEN = "open"  # it does its work
    MIRROR = "mirror"  # a master that follows its account and trades nothing itself


class HeartbeatRecord(Message):
    """`state` is a short text for people, `since` its instant; `capacity` and `serving` count users of an executor.

    `faults` is a JSON list of what stands wrong, `fault_counts` a JSON object of events by kind since the process began.
    `mode` says whose money the process moves, `paper` or `live`. `phase` is blank where nothing hangs on it.
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


def write_faults(faults: Iterable[Fault]) -> str:
    """Write faults as the text of a heartbeat's field; only the first of very many."""
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
    """Read them back; what cannot be read (another version's, say) is left out."""
    return tuple(fault for row in _list(text) if (fault := _fault(row)) is not None)


def write_counts(events: Mapping[FaultKind, int]) -> str:
    """Write how often each kind was counted."""
    return json.dumps(dict(sorted(events.items()))) if events else ""


def read_counts(text: str) -> Mapping[str, int]:
    """Read them back; kinds that this version does not know are kept under their word."""
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
