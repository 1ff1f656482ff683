"""`python -m tests.chaos --signals 500 --users 20 --seed 1`: one chaos run; its last line is a JSON object.

Everything it leaves behind is in `var/chaos/<seed>/`: the acts as they were carried out, the log of every process, and of a
failure what the exchange saw.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tests.chaos.harm.topologies import Topology
from tests.chaos.judging.verdict import ChaosResult, judge, show
from tests.chaos.opening import stack_for
from tests.chaos.run import SHIPPED, UNBUDGETED, Run
from tests.chaos.script import Script, move_slots_too, write_script
from tests.chaos.trading.followers import Mix
from tests.support.processes import ROOT

PACE = 0.5
"""Seconds from one signal to the next, on average."""
PATIENCE = 240.0
"""Seconds that the system may take to come to rest once it is left alone."""


def chaos(
    folder: Path,
    script: Script,
    *,
    shipped: bool = False,
    patience: float = PATIENCE,
    topology: Topology = Topology.SINGLE,
    tame: bool = False,
) -> ChaosResult:
    """Play a script in a new folder and judge what is left; a `tame` one may do little harm."""
    began = time.monotonic()
    stack = stack_for(folder, script, topology)
    with stack, (folder / "actions.log").open("w") as log:
        run = Run(stack, script, SHIPPED if shipped else UNBUDGETED, log)
        try:
            run.open()
            run.play()
            quiet = run.settle(patience)
            verdict = judge(run, quiet=quiet, began=began, ended=time.monotonic(), tame=tame)
            if not verdict.ok:
                stack.keep_journal()
            return verdict
        finally:
            run.close()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--signals", type=int, default=500)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=PACE)
    parser.add_argument("--shipped", action="store_true", help="executors keep their budget of calls to the venue")
    parser.add_argument(
        "--master", action="store_true", help="the real master tells what a person trades on its account"
    )
    parser.add_argument("--venues", choices=list(Mix), default=Mix.MIXED, help="where masters and users trade")
    parser.add_argument("--topology", choices=list(Topology), default=Topology.SINGLE, help="what Redis is")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)  # so that everything that was started is ended too
    folder = ROOT / "var" / "chaos" / str(told.seed)
    shutil.rmtree(folder, ignore_errors=True)
    topology, mix = Topology(told.topology), Mix(told.venues)
    script = write_script(
        told.seed,
        told.signals,
        told.users,
        told.pace,
        master=told.master,
        mix=mix,
    )
    if topology is Topology.CLUSTER:
        script = move_slots_too(script)
    verdict = chaos(folder, script, shipped=told.shipped, topology=topology)
    show(verdict, Console(highlight=False, width=150 if not sys.stdout.isatty() else None))
    print(json.dumps(verdict.figures))  # noqa: T201  # a command line prints
    (folder / "verdict.json").write_text(json.dumps({**verdict.figures, "breaches": verdict.breaches}, indent=1))
    return 0 if verdict.ok else 1


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
