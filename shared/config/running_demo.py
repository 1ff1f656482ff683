"""How a command finds the demo that runs on this machine: the demo says where it is in a file, for as long as it runs.

Only a command that was told nothing goes by it: `REDIS_URL` in the environment wins, and live mode never meets a demo.
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
_NAMES: Final = ("REDIS_URL", "PAPER_URL", "API_PORT", "SHOAL_CONFIG")
"""What stands in the file, and goes into the environment of a command that finds it."""


@contextmanager
def announced(environment: Mapping[str, str], port: int, folder: Path = FOLDER) -> Iterator[None]:
    """Say where this process's demo is until it ends; `port`, that of its Redis, tells several demos apart."""
    path = folder / f"running-{port}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("running-*.json"):
        if not _read(other):  # of a demo that was killed
            other.unlink(missing_ok=True)
    told = {name: environment[name] for name in _NAMES if name in environment}
    path.write_text(json.dumps({"pid": os.getpid(), "started": _started(os.getpid()), **told}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(folder: Path = FOLDER) -> dict[str, str]:
    """Return the addresses of the one demo that runs; empty if none does. Raises ConfigurationError if several do."""
    found = [demo for path in sorted(folder.glob("running-*.json")) if (demo := _read(path))]
    if len(found) > 1:
        urls = ", ".join(each.get("REDIS_URL", "?") for each in found)
        raise ConfigurationError(f"{len(found)} demos are running: say which one is meant by REDIS_URL ({urls})")
    return found[0] if found else {}


def adopt(environment: Mapping[str, str], folder: Path = FOLDER) -> dict[str, str]:
    """Return what an environment lacks to reach the running demo; empty where it says for itself what it wants."""
    given = environment.get("REDIS_URL", "").strip() or environment.get("REDIS_URL_FILE", "").strip()
    if given or environment.get("SHOAL_MODE", "").strip() == "live":
        return {}
    return {name: value for name, value in find(folder).items() if not environment.get(name, "").strip()}


def _read(path: Path) -> dict[str, str]:
    """Read a file; empty if it is unreadable or its process is gone (a demo that was killed leaves its file)."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if _started(int(told["pid"])) == told["started"] != "":
            return {name: str(told[name]) for name in _NAMES if name in told}
    return {}


def _started(pid: int) -> str:
    """Return when a process began, so that a pid that is used again is another; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    try:  # no /proc on this system: whether it lives is all that can be known
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
