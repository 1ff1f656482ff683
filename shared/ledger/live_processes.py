"""The running processes of Shoal, from their heartbeats: state, mode, phase and faults of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.contracts.heartbeat import HeartbeatRecord, Phase, read_counts, read_faults
from shared.domain.fault import Fault

_EXECUTOR: Final = "executor"
_CLOSED: Final = ("starting", "waiting", "standby", "failed")
"""Prefixes of the state of an engine that does not process signals."""


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """A process with a heartbeat, its state in words, and its faults.

    `since` is when that state began (epoch ms); `counts` is how often each kind of fault has occurred in it.
    """

    service: str
    instance: str
    state: str
    since: int | None = None
    version: str = ""
    faults: tuple[Fault, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    mode: str = ""
    """`paper` or `live`; empty if it does not report it."""
    phase: Phase | None = None
    """Its phase; None if it does not report it."""
    groups: frozenset[str] = frozenset()
    """The groups whose users an executor serves; none: the users without a group."""

    def serves_group(self, group: str) -> bool:
        """Return whether this is an executor for the users of a group, or of none if that is empty."""
        return self.service == _EXECUTOR and (group in self.groups if group else not self.groups)


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """A fault in a process of a service."""

    service: str
    fault: Fault

    @property
    def text(self) -> str:
        """Describe it in one line."""
        return f"{self.service}: {self.fault.subject}: {self.fault.reason}"


def read_processes(heartbeats: Mapping[str, HeartbeatRecord]) -> tuple[LiveProcess, ...]:
    """Parse heartbeats: records by `<service>:<instance>`."""
    found = []
    for name, record in sorted(heartbeats.items()):
        service, _, instance = name.partition(":")
        faults, counts = read_faults(record.faults), read_counts(record.fault_counts)
        found.append(
            LiveProcess(
                service,
                instance,
                record.state,
                record.since,
                record.version,
                faults,
                counts,
                record.mode,
                record.phase,
                frozenset(filter(None, record.groups.split(","))),
            )
        )
    return tuple(found)


def engine_is_open(process: LiveProcess) -> bool:
    """Return whether an engine processes signals. An older version reports it only in its text."""
    return process.phase is Phase.OPEN if process.phase is not None else not process.state.startswith(_CLOSED)
