"""The same users on one Redis server and on a cluster of three: what a fan-out takes and costs, and what waiting for it costs.

Both run side by side and take turns, round by round, so the machine's other work strikes both alike. No node of the cluster has a
replica: a replica costs a cluster what it costs one server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.plan import Plan
from tests.bench.turns import SHOAL, ShoalCarrier, Turns, new_folder, play_in_turn
from tests.bench.usage import memory_kb
from tests.bench.verify import Verification

CLUSTER: Final = "shoal, a cluster of three"
_NODES: Final = 3
_REST: Final = 5.0
"""Seconds after the last start, before what is idle is measured."""

Say = Callable[[str], None]


def measure_nodes(
    folder: Path, users: int, plan: Plan, verdict: Verification, say: Say
) -> tuple[Turns, dict[str, float]]:
    """Play the rounds of one number of users; return them, and what each system costs besides, each with its unit in its name."""
    plan = replace(plan, executors=min(plan.node_executors, users))
    facts: dict[str, float] = {}
    with ExitStack() as stack:
        carriers = {}
        for name, nodes in ((SHOAL, 1), (CLUSTER, _NODES)):
            began = time.monotonic()
            carriers[name] = ShoalCarrier(new_folder(folder, f"nodes-{nodes}"), users, plan, stack, None, nodes=nodes)
            say(
                f"{name}: {users:,} users of {plan.executors} executors are ready after {time.monotonic() - began:.0f} s"
            )
        time.sleep(min(_REST, plan.idle))
        for name, spent in _idle(carriers, plan.idle).items():
            facts |= {f"{name}, {users:,} users: {what}": value for what, value in spent.items()}
        turns = play_in_turn(carriers, users, plan.nodes[users], verdict, say)
        for name, carrier in carriers.items():
            facts |= {f"{name}, {users:,} users: {what}": value for what, value in _memory(carrier).items()}
    return replace(turns, what="One server and a cluster in turn"), facts


def _idle(carriers: Mapping[str, ShoalCarrier], seconds: float) -> dict[str, dict[str, float]]:
    """Measure for all at once what they use while nothing happens, in per cent of a core; and their connections."""
    before = {name: carrier.system.cpu() for name, carrier in carriers.items()}
    began = time.monotonic_ns()
    time.sleep(seconds)
    took = time.monotonic_ns() - began
    found: dict[str, dict[str, float]] = {}
    for name, carrier in carriers.items():
        used = carrier.system.cpu()
        found[name] = {
            f"{kind} idle, % of a core": round((ns - before[name][kind]) / took * 100, 2) for kind, ns in used.items()
        }
        found[name]["connections to Redis"] = carrier.system.connections()
    return found


def _memory(carrier: ShoalCarrier) -> dict[str, float]:
    return {
        f"{kind}, MB": round(sum(memory_kb(pid)["pss"] for pid in pids) / 1024, 1)
        for kind, pids in carrier.system.pids().items()
    }
