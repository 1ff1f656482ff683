"""One measurement: a page or command with its wall time, the CPU time of the process that did it, Redis' work, and its size."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds and bytes. `calls` are the commands that Redis ran for it, inside scripts too; `code`: status or exit code."""

    name: str
    wall: float
    cpu: float
    redis_cpu: float
    calls: int
    bytes: int
    code: int

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON row."""
        return asdict(self)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a running process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
