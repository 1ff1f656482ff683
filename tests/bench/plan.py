"""How much a run measures: everything in about eight minutes, or a little of it in less than one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PARTS: Final = ("floors", "turns", "venues", "slopes", "shoal", "peers", "paper", "fills", "nodes")
_HEAVY: Final = ("nodes",)
"""What is measured only if it is asked for by name: it takes a quarter of an hour and a few GB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds are pairs of an entry and an exit, by number of users. Seconds of idling, samples of the floors."""

    rounds: Mapping[int, int] = field(default_factory=lambda: {1: 200, 10: 50, 100: 50, 1000: 5, 5000: 3})
    delayed: Mapping[int, int] = field(default_factory=lambda: {1: 30, 10: 10, 100: 10, 1000: 5})
    turns: Mapping[int, int] = field(default_factory=lambda: {1: 40, 100: 20, 1000: 7})
    """Rounds in which Shoal and what it is compared with are measured in turn."""
    venues: Mapping[int, int] = field(default_factory=lambda: {100: 10})
    """Rounds in which Shoal and the path alone take turns at Kraken and at Coinbase."""
    against: Path | None = None
    """Another checkout whose Shoal takes its turn too."""
    bursts: Mapping[int, int] = field(default_factory=lambda: {100: 10})
    slope: tuple[int, int, int] = (100, 1_000, 5_000)
    far_users: int = 1_000
    slope_rounds: int = 5
    delay: float = 0.020
    idle: float = 20.0
    samples: int = 300
    trades: int = 200
    """Trades of a person on the master's account, in each course of the part `fills`."""
    cut_trades: int = 300
    ceiling_orders: int = 20_000
    ceiling_runs: int = 5
    nodes: Mapping[int, int] = field(default_factory=lambda: {10_000: 3})
    """Rounds in which one server and a cluster are started in turn."""
    node_executors: int = 4
    parts: tuple[str, ...] = tuple(part for part in PARTS if part not in _HEAVY)
    executors: int = 1
    judged: bool = True
    """Whether a missed goal makes the run fail."""

    @property
    def users(self) -> tuple[int, ...]:
        """The numbers of users, ascending."""
        return tuple(sorted(self.rounds.keys() | self.delayed.keys()))


FULL: Final = Plan()
QUICK: Final = Plan(
    rounds={1: 10, 10: 3},
    delayed={10: 2},
    turns={10: 4},
    venues={10: 4},
    nodes={10: 4},
    node_executors=2,
    slope=(5, 20, 60),
    far_users=20,
    slope_rounds=3,
    bursts={10: 2},
    idle=2.0,
    samples=40,
    trades=10,
    cut_trades=10,
    ceiling_orders=4_000,
    ceiling_runs=1,
    judged=False,
)
