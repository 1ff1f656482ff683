"""Has pytest rewrite the test files of a fresh checkout before several processes collect them: each would rewrite them all.

It takes as long as collecting them several times; what is rewritten is kept beside the files, as bytecode.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.python_module import ROOT

_MOST: Final = 4
"""Processes at once: a file takes some milliseconds, and each process half a second to begin."""


def rewrite_once() -> None:
    """Have the files rewritten if most of them are not yet; what fails here fails with its reason where it is collected."""
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "compose" not in path.parts]
    if sys.dont_write_bytecode or 2 * sum(map(_is_rewritten, files)) > len(files):
        return
    parts = min(_MOST, os.cpu_count() or 1)
    running = [_collect(files[number::parts]) for number in range(parts)]
    for process in running:
        process.wait()


def _collect(files: Sequence[Path]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *map(str, files)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _is_rewritten(file: Path) -> bool:
    return any((file.parent / "__pycache__").glob(f"{file.stem}.*-pytest-*.pyc"))
