"""A primary that is killed and its replica takes over, on a cluster and with Sentinels; and slots that move, all under load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.chaos.__main__ import chaos
from tests.chaos.harm.topologies import Topology
from tests.chaos.judging.verdict import ChaosResult
from tests.chaos.script import Act, Emit, KillRedis, Move, MoveSlots, write_script
from tests.chaos.trading.followers import Mix

_PACE: Final = 0.6
_PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class ServerDrill:
    """What Redis is, and the harm, each act at a share of the time."""

    topology: Topology
    acts: Sequence[tuple[float, Act]]


SERVER_DRILLS: Final[Mapping[str, ServerDrill]] = {
    "cluster-kill": ServerDrill(Topology.CLUSTER, [(0.3, KillRedis(2.0, 0.0)), (0.95, KillRedis(0.5, 0.0))]),
    "cluster-move": ServerDrill(Topology.CLUSTER, [(share / 10, MoveSlots()) for share in range(1, 10)]),
    "sentinel-kill": ServerDrill(Topology.SENTINEL, [(0.3, KillRedis(2.0, 0.0)), (0.95, KillRedis(0.5, 0.0))]),
}


def play(name: str, folder: Path, *, signals: int, users: int, seed: int) -> ChaosResult:
    """Play a drill in a new folder and judge it."""
    drill = SERVER_DRILLS[name]
    script = write_script(seed, signals, users, _PACE, mix=Mix.MIXED)
    trading = [(at, act) for at, act in script.acts if isinstance(act, Emit | Move)]
    harm = [(script.seconds * share, act) for share, act in drill.acts]
    acts = sorted([*trading, *harm], key=lambda row: row[0])
    result = chaos(folder, replace(script, acts=acts), patience=_PATIENCE, topology=drill.topology, tame=True)
    done = result.figures["slot_moves"] if drill.topology is Topology.CLUSTER else 0
    if not done + result.figures["redis_kills"]:
        result.breaches.append("no harm was done")
        result.figures["ok"] = False
    return result
