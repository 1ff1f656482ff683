"""`python -m tests.day`: one simulated day; its last line is a JSON object, its exit code says whether all held.

Everything it leaves behind is in `var/day/<seed>/`: the operator's acts, the log of every process, and of a failure what the
exchange saw.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from tests.day.run import Day
from tests.day.verdict import DayResult, judge, show
from tests.support.processes import ROOT

_HOUR: Final = 3600.0
_SPEED: Final = 360.0
"""A day takes four minutes: two masters send about as many orders a second then as one did in three."""
_PATIENCE: Final = 90.0
"""Seconds that the system may take to come to rest once the master has ended."""


def simulate(folder: Path, *, hours: float, speed: float, seed: int, regime: str, shipped: bool) -> DayResult:
    """Let a day pass in a new folder and judge it."""
    began = time.monotonic()
    made = Day.stack_for(folder, speed=speed, seed=seed, regime=regime, shipped=shipped)
    with made as stack, (folder / "day.log").open("w") as log:
        day = Day(stack, log, seed, shipped=shipped)
        day.open()
        day.play(hours * _HOUR / speed)
        quiet = day.settle(_PATIENCE)
        verdict = judge(day, quiet=quiet, seconds=time.monotonic() - began)
        if not verdict.ok:
            stack.keep_journal()
        return verdict


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="day", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--speed", type=float, default=_SPEED)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--regime", default="crash", choices=["calm", "trend", "crash", "gap"])
    parser.add_argument(
        "--shipped", action="store_true", help="executors keep their budget of calls, which the venue counts"
    )
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)  # so that everything that was started is ended too
    folder = ROOT / "var" / "day" / str(told.seed)
    shutil.rmtree(folder, ignore_errors=True)
    verdict = simulate(
        folder, hours=told.hours, speed=told.speed, seed=told.seed, regime=told.regime, shipped=told.shipped
    )
    show(verdict, Console(highlight=False, width=150 if not sys.stdout.isatty() else None))
    (folder / "verdict.json").write_text(json.dumps({**verdict.figures, "breaches": verdict.breaches}, indent=1))
    print(json.dumps(verdict.figures))  # noqa: T201  # a command line prints
    return 0 if verdict.ok else 1


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
