"""What a process costs: CPU time by the scheduler's own count, memory by its proportional share. Linux only."""

from __future__ import annotations

from pathlib import Path


def cpu_ns(pid: int) -> int:
    """Read the CPU time that all threads of a process have had, in ns; clock ticks of 10 ms would hide an idle process."""
    total = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(schedstat.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has just ended
    return total


def memory_kb(pid: int) -> dict[str, int]:
    """Read a process's memory in kB: `Pss` (shared pages divided among those who share them) and `Rss`."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    found = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return {"pss": found["Pss"], "rss": found["Rss"]}


def family(pid: int) -> list[int]:
    """Name a process and everything that it has started and that still runs."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found
