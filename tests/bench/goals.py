"""The goals of the issue, as ratios of what one run measured; what was not measured is told as such and decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.base import Base
from tests.bench.row import Row

FEW, MIDDLE, MANY, MOST = 10, 100, 1_000, 5_000
REPLACED_ONE, REPLACED_TWO = "replaced, 1 call", "replaced, 2 calls"
UNFAIR: Final = 0.15
"""How far a user's mean place over 100 signals may be from the middle; a fair draw keeps all of 100 users within 0.1."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its bound. `value` is None if it was not measured."""

    name: str
    value: float | None
    bound: float
    least: bool = False
    """Whether the bound is the least, not the most."""

    @property
    def held(self) -> bool | None:
        """Whether it holds; None if nobody knows."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.least else self.value <= self.bound

    def to_json(self) -> dict[str, Any]:
        """Give it all."""
        return {"goal": self.name, "value": self.value, "bound": self.bound, "least": self.least, "held": self.held}


class Found:
    """Rows by who, how many users and how far away; answers None for what was not measured."""

    def __init__(self, rows: Iterable[Row], base: Base | None) -> None:
        self.base = base
        self._rows = {(row.name, row.users, bool(row.delay_ms)): row for row in rows}

    def row(self, name: str, users: int, *, delayed: bool = False) -> Row | None:
        """Give one row."""
        return self._rows.get((name, users, delayed))


def judge(rows: Sequence[Row], base: Base | None) -> list[Goal]:
    """Work out every goal."""
    found = Found(rows, base)
    one, many = found.row("shoal", 1), found.row("shoal", MANY)
    return [
        Goal("1 one user: p50 / floor sum", _over_floor(one, base), 3.5),
        Goal("1 one user: p99 / p50", _of(one, lambda row: row.p99 / row.median), 2.5),
        Goal("2 1,000 users: orders/s / bare HTTP client", _of_ceiling(many, base), 0.12, least=True),
        Goal("2 1,000 users: orders/s", _of(many, lambda row: row.rate), 4_000, least=True),
        Goal("3 slope 1,000-5,000 / slope 100-1,000", _slopes(found), 1.2),
        Goal("4 20 ms away, 1,000 users: time / expected", _delayed(found), 1.15),
        Goal("5 engine: CPU us per user and signal", _of(many, lambda row: row.facts["engine_cpu_us"]), 15),
        Goal("6 memory: KB per hosted user", _hosted(one, many), 100),
        Goal("6 memory: MB of an executor of its own", _of(one, lambda row: row.facts["pss_kb"] / 1024), 45),
        Goal("7 idle executor: % of a core", _of(one, lambda row: row.facts["executor_idle_percent"]), 0.2),
        Goal("8 100 users: replaced design, one call / shoal", _against(found, REPLACED_ONE), 5, least=True),
        Goal("8 100 users: replaced design, two calls / shoal", _against(found, REPLACED_TWO), 50, least=True),
        Goal("9 1,000 users: first order / time to all", _of(many, lambda row: row.first_share), 0.20),
        Goal("9 100 users: mean place, off the middle", _unfairness(found, MIDDLE), UNFAIR),
        Goal("9 10 users: mean place, off the middle", _unfairness(found, FEW), UNFAIR),
    ]


def _of(row: Row | None, figure: Callable[[Row], float]) -> float | None:
    return None if row is None else figure(row)


def _of_ceiling(many: Row | None, base: Base | None) -> float | None:
    return None if many is None or base is None else many.rate / base.ceiling


def _over_floor(one: Row | None, base: Base | None) -> float | None:
    return None if one is None or base is None else one.median * 1000 / base.floors.sum


def _slopes(found: Found) -> float | None:
    rows = [found.row("shoal", users) for users in (MIDDLE, MANY, MOST)]
    middle, many, most = rows
    if middle is None or many is None or most is None:
        return None
    lower = (many.median - middle.median) / (MANY - MIDDLE)
    return (most.median - many.median) / (MOST - MANY) / lower if lower > 0 else None


def _delayed(found: Found) -> float | None:
    """Compare with what the exchange's distance alone makes of it: as many trips, one after another, as connections ask for."""
    near, far = found.row("shoal", MANY), found.row("shoal", MANY, delayed=True)
    if near is None or far is None or not far.connections:
        return None
    return far.median / (math.ceil(MANY / far.connections) * far.delay_ms + near.median)


def _hosted(one: Row | None, many: Row | None) -> float | None:
    """What a user adds to a process that serves others already."""
    if one is None or many is None:
        return None
    processes = many.facts["executors"]
    return (many.facts["pss_kb"] - processes * one.facts["pss_kb"]) / (many.users - processes)


def _against(found: Found, peer: str) -> float | None:
    shoal, other = found.row("shoal", MIDDLE), found.row(peer, MIDDLE)
    return None if shoal is None or other is None else other.median / shoal.median


def _unfairness(found: Found, users: int) -> float | None:
    """Look at few users too: their orders come in one read, where many come in the turns of the engine."""
    row = found.row("shoal", users)
    return None if row is None or len(row.entries) + len(row.exits) < 100 else row.unfairness
