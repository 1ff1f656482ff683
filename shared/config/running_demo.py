"""Finds the demo that runs on this machine: while it runs, its addresses are in a file.

Only a command without settings of its own uses it: `REDIS_URL` in the environment wins, and live mode never uses a demo.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from shared.config.errors import ConfigurationError

FOLDER: Final = Path("var/demo")
_NAMES: Final = ("REDIS_URL", "PAPER_URL", "API_PORT", "SHOAL_CONFIG", "SHOAL_STRATEGY", "SHOAL_SECRETS")
"""The content of the file, and the variables of a command that finds it."""


@contextmanager
def announced(environment: Mapping[str, str], port: int, folder: Path = FOLDER) -> Iterator[None]:
    """Write the addresses of this process's demo until it ends; `port`, that of its Redis, distinguishes several demos."""
    path = folder / f"running-{port}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("running-*.json"):
        if not _read(other):  # of a demo that was killed
            other.unlink(missing_ok=True)
    known = {name: environment[name] for name in _NAMES if name in environment}
    path.write_text(json.dumps({"pid": os.getpid(), "started": _started(os.getpid()), **known}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(folder: Path = FOLDER) -> dict[str, str]:
    """Return the addresses of the one demo that runs; empty if none does. Raises ConfigurationError if several do."""
    found = [demo for path in sorted(folder.glob("running-*.json")) if (demo := _read(path))]
    if len(found) > 1:
        urls = ", ".join(each.get("REDIS_URL", "?") for each in found)
        raise ConfigurationError(f"{len(found)} demos are running: choose one by REDIS_URL ({urls})")
    return found[0] if found else {}


def adopt(environment: Mapping[str, str], folder: Path = FOLDER) -> dict[str, str]:
    """Return the variables that an environment lacks to reach the running demo; empty if it has its own settings."""
    given = environment.get("REDIS_URL", "").strip() or environment.get("REDIS_URL_FILE", "").strip()
    if given or environment.get("SHOAL_MODE", "").strip() == "live":
        return {}
    return {name: value for name, value in find(folder).items() if not environment.get(name, "").strip()}


def _read(path: Path) -> dict[str, str]:
    """Parse a file; empty if it is unreadable or its process has ended (a demo that was killed leaves its file)."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if _started(int(content["pid"])) == content["started"] != "":
            return {name: str(content[name]) for name in _NAMES if name in content}
    return {}


def _started(pid: int) -> str:
    """Return the start time of a process, so that a reused pid is recognised; an empty string if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    try:  # without /proc it is only known whether the process exists
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
