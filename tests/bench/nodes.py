"""The same users on one Redis server and on a cluster of three: what a fan-out takes and costs, and what waiting for it costs.

In each round both are started, one after the other, and the next round begins with the other one: side by side, so many users
would leave a small machine nothing to measure with. No node of the cluster has a replica: a replica costs a cluster what it costs
one server.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.plan import Plan
from tests.bench.turns import SHOAL, ShoalCarrier, Taken, Turns, new_folder
from tests.bench.usage import memory_kb
from tests.bench.verify import Verification

CLUSTER: Final = "shoal, a cluster of three"
_NODES: Final = {SHOAL: 1, CLUSTER: 3}
_WARM: Final = 1
"""Pairs of signals of each start that are carried, and verified, but not measured."""
_PLAYED: Final = 3
_REST: Final = 5.0
"""Seconds after the last signal, before what is idle is measured."""

Say = Callable[[str], None]


def measure_nodes(
    folder: Path, users: int, plan: Plan, verdict: Verification, say: Say
) -> tuple[Turns, dict[str, float]]:
    """Play the rounds of one number of users; return them, and what each system costs besides, each with its unit in its name."""
    plan = replace(plan, executors=min(plan.node_executors, users))
    taken: dict[str, list[Taken]] = {name: [] for name in _NODES}
    facts: dict[str, list[float]] = {}
    for number in range(plan.nodes[users]):
        for name in list(_NODES)[:: -1 if number % 2 else 1]:
            with ExitStack() as stack:
                place, began = new_folder(folder, f"{number}-{_NODES[name]}"), time.monotonic()
                carrier = ShoalCarrier(place, users, plan, stack, None, nodes=_NODES[name])
                say(
                    f"{name}: {users:,} users of {plan.executors} executors are ready after {time.monotonic() - began:.0f} s"
                )
                for _ in range(_WARM):
                    carrier.play()
                taken[name].append(_median([carrier.play() for _ in range(_PLAYED)]))
                for what, value in _costs(carrier, plan.idle).items():
                    facts.setdefault(f"{name}, {users:,} users: {what}", []).append(value)
                carrier.verify(verdict)
            last = taken[name][-1]
            say(f"{name}: {last.ms:,.0f} ms, {sum(last.settled_us.values()):,.0f} us of CPU per settled order")
    turns = Turns(users, taken, "One server and a cluster in turn")
    return turns, {name: statistics.median(values) for name, values in facts.items()}


def _median(played: Sequence[Taken]) -> Taken:
    """Return the medians of one start."""

    def each(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: statistics.median(one.get(name, 0.0) for one in figures) for name in figures[0]}

    return Taken(
        statistics.median(one.ms for one in played),
        each([one.accepted_us for one in played]),
        each([one.settled_us for one in played]),
        each([one.commands for one in played]),
    )


def _costs(carrier: ShoalCarrier, seconds: float) -> dict[str, float]:
    """Measure what a system uses while nothing happens, in per cent of a core; its connections, and its memory."""
    time.sleep(min(_REST, seconds))
    before, began = carrier.system.cpu(), time.monotonic_ns()
    time.sleep(seconds)
    used, took = carrier.system.cpu(), time.monotonic_ns() - began
    found = {f"{kind} idle, % of a core": round((ns - before[kind]) / took * 100, 2) for kind, ns in used.items()}
    found["connections to Redis"] = carrier.system.connections()
    for kind, pids in carrier.system.pids().items():
        found[f"{kind}, MB"] = round(sum(memory_kb(pid)["pss"] for pid in pids) / 1024, 1)
    return found
