"""`python -m tests.drills [NAME ...]`: play drills, by default all; the last line is a JSON object. Exit 1 if one broke anything.

What they leave behind is in `var/drills/<name>/`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from typing import NoReturn

from tests.drills import partitions, redis_servers
from tests.support.processes import ROOT

NAMES = [*redis_servers.SERVER_DRILLS, *partitions.PARTITIONS]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="drills", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--signals", type=int, default=100)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    if unknown := set(told.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _end)  # so that everything that was started is ended too
    broken: dict[str, list[str]] = {}
    names = told.names or [*redis_servers.SERVER_DRILLS, *partitions.playable()]
    for name in [name for name in NAMES if name not in names and not told.names]:
        print(f"{name}: left out; it needs root and `ip`")  # noqa: T201  # a command line prints
    for name in names:
        folder = ROOT / "var" / "drills" / name
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        if name in partitions.PARTITIONS:
            breaches = partitions.play(name, folder)
        else:
            breaches = redis_servers.play(name, folder, signals=told.signals, users=told.users, seed=told.seed).breaches
        print(f"{name}: {'FAILED' if breaches else 'passed'} in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        for breach in breaches:
            print(f"  {breach}", flush=True)  # noqa: T201  # a command line prints
        if breaches:
            broken[name] = breaches
    print(json.dumps({"ok": not broken, "drills": len(names), "broken": broken}))  # noqa: T201
    return 1 if broken else 0


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
