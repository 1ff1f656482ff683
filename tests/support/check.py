"""`make check FILE=...`: lint, types and the nearest tests of files that were just edited. Says what it runs, and what it leaves.

Types are checked in the file and in whatever imports it. The whole of everything is `make lint` and `make test`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.nearest import Nearest, Tree
from tests.support.processes import ROOT

Command = tuple[str, ...]
_SHOWN: Final = 5
_SHOWN_WORDS: Final = 12
_MANY: Final = 10
"""More test files than these, and whole folders, are worth the start of two processes."""
_SIDE_BY_SIDE: Final = ("--numprocesses", "2", "--dist", "loadfile")


def commands(files: Sequence[str], found: Mapping[str, Nearest]) -> list[Command]:
    """Return the commands to run, in order; what is no Python has tests only."""
    python = sorted(file for file in files if file.endswith(".py"))
    typed = sorted({*python, *(each for file in python for each in found[file].importers)})
    tests = sorted({test for file in files for test in found[file].tests})
    many = len(tests) > _MANY or any(not test.endswith(".py") for test in tests)
    planned: list[Command] = []
    if python:
        planned = [
            ("ruff", "check", "--quiet", *python),
            ("ruff", "format", "--check", "--quiet", *python),
            ("mypy", *typed),
        ]
    if tests:
        planned.append(("pytest", "--quiet", *(_SIDE_BY_SIDE if many else ()), *tests))
    return planned


def left(files: Sequence[str], found: Mapping[str, Nearest]) -> list[str]:
    """Return the lines on what is not run."""
    lines = [f"no test is near {file}: none bears its name, none imports it" for file in files if not found[file].tests]
    long = sorted({test for file in files for test in found[file].left})
    if long:
        more = f" and {len(long) - _SHOWN} more" if len(long) > _SHOWN else ""
        lines.append(f"left to `make test`, since they take minutes: {', '.join(long[:_SHOWN])}{more}")
    return lines


def shown(command: Command) -> str:
    """Return a command as it is shown: of many files the first few."""
    more = len(command) - _SHOWN_WORDS
    return " ".join(command) if more <= 0 else f"{' '.join(command[:_SHOWN_WORDS])} and {more} more files"


def relative(name: str, root: Path = ROOT) -> str:
    """Return a path, typed from anywhere, as it stands in the checkout. Raises ValueError for one outside."""
    return str(Path(name).resolve().relative_to(root))


def main(names: Sequence[str]) -> int:
    """Run everything, also after a failure. Return 1 if anything failed, 2 for a path that is not there."""
    try:
        files = [relative(name) for name in names]
        tree = Tree(ROOT)
        found = {file: tree.nearest(file) for file in files}
    except (ValueError, FileNotFoundError) as error:
        _say(f"no such file in this checkout: {error}")
        return 2
    failed = []
    for command in commands(files, found):
        _say(shown(command))
        if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode:
            failed.append(" ".join(command[:2]))
    for line in left(files, found):
        _say(line)
    _say(f"FAILED: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"check: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
