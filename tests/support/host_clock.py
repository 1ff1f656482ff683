"""A wall clock for processes under test that is wrong by as much as the test says, and can be stepped while they run.

Only what a process reads as the time of day is false (`time.time`): its steady clock, its timers and its files' instants are not,
as on a host whose clock somebody sets. The exchange and Redis, which are started without this environment, keep the true time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LIBRARY: Final = Path("vendor/libfaketime/src/libfaketime.so.1")
_FILE: Final = "FAKETIME_TIMESTAMP_FILE"
_AT_START: Final = {
    "FAKETIME_NO_CACHE": "1",  # the file is read whenever the time is: a step counts at once
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
    # The library takes the offset off the steady time until which a thread of Python waits for its turn, so that it does not wait
    # at all where the clock is ahead, and burns a core. Python's own limit is this one.
    "FAKETIME_WAIT_MS": "5",
}
"""What the library reads when a process starts; which file holds the time it looks up whenever it is asked for the time."""
_SHARED: Final = Path("/dev/shm")  # noqa: S108  # where the library keeps a semaphore per process
_LEFT_BEHIND: Final = re.compile(r"(sem\.)?faketime_(sem|shm)_(\d+)")


class HostClock:
    """The wall clock of one host: of every process that is started with its `environment`."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        """`folder` holds the file that the processes read; `seconds` is how far ahead of the true time they are at first."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "host-clock"
        self.tidy()  # what an earlier run left: its processes may have been killed after it was done
        self.step(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tidy()

    def environment(self) -> dict[str, str]:
        """Return what a process must be told to go by this clock; it is read at its start and stays in force."""
        return {"LD_PRELOAD": str(library()), _FILE: str(self._file), **_AT_START}

    def step(self, seconds: float) -> None:
        """Set the clock so many seconds ahead of the true time (below zero: behind it), at once and for all its processes."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}s\n")
        new.replace(self._file)  # in one step: half a file would be another time

    @staticmethod
    def tidy() -> None:
        """Remove what the library leaves behind of processes that were killed; a later process may be given their number."""
        for file in _SHARED.glob("*faketime_*") if _SHARED.is_dir() else ():
            found = _LEFT_BEHIND.fullmatch(file.name)
            if found and not _alive(int(found.group(3))):
                file.unlink(missing_ok=True)


def without_file(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a process needs from its start to have another clock; empty without one."""
    if Path(environment.get("LD_PRELOAD", "")).parts[-len(_LIBRARY.parts) :] != _LIBRARY.parts:
        return {}
    return {name: environment[name] for name in ("LD_PRELOAD", *_AT_START) if name in environment}


def library() -> Path:
    """Find the library that the wheel `libfaketime` carries. Raises LookupError where it is not installed."""
    spec = find_spec("libfaketime")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError("libfaketime is not installed: `make setup` installs what the tests need")
    found = Path(spec.submodule_search_locations[0]) / _LIBRARY
    if not found.is_file():
        raise LookupError(f"libfaketime has no {_LIBRARY} on this platform")
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
