"""`python -m tests.bench`: one run; its last line is a JSON object. Everything it found is in `var/bench/<time>.json`.

The exit code is 1 if anything was not verified or a goal is missed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from tests.bench.goals import Goal, judge
from tests.bench.machine import machine
from tests.bench.plan import FULL, PARTS, QUICK, Plan
from tests.bench.run import Results, run
from tests.bench.table import show
from tests.support.processes import ROOT


def main() -> int:
    """Run from the command line."""
    told = _parser().parse_args()
    plan = _plan(told)
    signal.signal(signal.SIGTERM, _end)  # so that everything that was started is ended too
    console = Console(highlight=False, width=150 if not sys.stdout.isatty() else None)
    before = machine()
    began = time.monotonic()
    found = run(plan, lambda text: console.print(f"[dim]{time.monotonic() - began:5.0f} s  {text}[/]"))
    goals = judge(found.turns, found.ratios, found.rows, found.nodes)
    show(console, found, goals)
    figures = _figures(plan, found, goals, time.monotonic() - began)
    told.folder.mkdir(parents=True, exist_ok=True)
    path = told.folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps({"machine": before, **figures, **_everything(found, goals)}, indent=1))
    console.print(f"saved: {path}{_drawn(path.with_suffix('.png'), found)}")
    print(json.dumps(figures))  # noqa: T201  # a command line prints
    return 0 if figures["ok"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a little of everything; no goal decides")
    parser.add_argument("--only", default="", help=f"parts, with commas between: {', '.join(PARTS)}")
    parser.add_argument("--users", default="", help="numbers of users, with commas between")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds of each number of users")
    parser.add_argument("--executors", type=int, default=0, help="executor processes to share the users among")
    parser.add_argument("--against", type=Path, help="another checkout, whose Shoal takes its turn in every round")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "bench", help="where to save; default var/bench")
    return parser


def _plan(told: argparse.Namespace) -> Plan:
    plan = QUICK if told.quick else FULL
    if told.only:
        plan = replace(plan, parts=tuple(told.only.split(",")))
    if unknown := set(plan.parts) - set(PARTS):
        raise SystemExit(f"bench: no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if told.against:
        plan = replace(plan, against=told.against.resolve())
    if told.users:
        numbers = [int(word) for word in told.users.split(",")]
        plan = replace(
            plan,
            rounds={number: plan.rounds.get(number, 5) for number in numbers},
            delayed={number: plan.delayed[number] for number in numbers if number in plan.delayed},
            turns={number: plan.turns.get(number, 7) for number in numbers},
            venues={number: plan.venues.get(number, 7) for number in numbers},
            nodes={number: plan.nodes.get(number, 7) for number in numbers},
        )
    if told.rounds:
        plan = replace(
            plan,
            rounds=dict.fromkeys(plan.rounds, told.rounds),
            delayed=dict.fromkeys(plan.delayed, told.rounds),
            turns=dict.fromkeys(plan.turns, told.rounds),
            venues=dict.fromkeys(plan.venues, told.rounds),
            nodes=dict.fromkeys(plan.nodes, told.rounds),
        )
    return replace(
        plan, executors=told.executors or plan.executors, node_executors=told.executors or plan.node_executors
    )


def _figures(plan: Plan, found: Results, goals: list[Goal], seconds: float) -> dict[str, Any]:
    missed = [goal.name for goal in goals if goal.held is False]
    return {
        "ok": found.verdict.ok and not (plan.judged and missed),
        **found.verdict.to_json(),
        "goals": {goal.name: goal.value and round(goal.value, 4) for goal in goals},
        "missed": missed,
        "seconds": round(seconds),
    }


def _everything(found: Results, goals: list[Goal]) -> dict[str, Any]:
    return {
        "setting": "executors without their own budget of calls; AOF synced on every write",
        "base": found.base and found.base.to_json(),
        "turns": [each.to_json() for each in (*found.turns, *found.venues, *found.nodes)],
        "ratios": {name: list(ratio.rounds) for name, ratio in found.ratios.items()},
        "rows": [row.to_json() for row in found.rows],
        "facts": found.facts,
        "judged": [goal.to_json() for goal in goals],
        "wrong": [*found.verdict.failures, *found.verdict.examples],
    }


def _drawn(path: Path, found: Results) -> str:
    if not found.rows:
        return ""
    if importlib.util.find_spec("matplotlib") is None:
        return "; no plot: matplotlib is not installed, `make bench` does that"
    importlib.import_module("tests.bench.plot").plot(path, found.rows, found.base)
    return " and the plot beside it"


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
