"""The goals, as ratios within the rounds of one run; what was not measured clearly is marked and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.nodes import CLUSTER
from tests.bench.peers.measure import ONE
from tests.bench.ratio import Ratio
from tests.bench.row import Row
from tests.bench.turns import BEFORE, PATH, SHOAL, Turns

FEW, MIDDLE, MANY = 10, 100, 1_000
UNFAIR: Final = 0.15
"""How far a user's mean place over 100 signals may be from the middle; a fair draw keeps all of 100 users within 0.1."""
SLOPE, DISTANCE = "slope", "distance"


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its bound. `value` is None if it was not measured, `spread` None if it is not a ratio of rounds."""

    name: str
    value: float | None
    bound: float
    least: bool = False
    """Whether the bound is the least, not the most."""
    spread: float | None = None
    judgeable: bool = True

    @property
    def held(self) -> bool | None:
        """Whether it holds; None if nobody knows."""
        if self.value is None or not self.judgeable:
            return None
        return self.value >= self.bound if self.least else self.value <= self.bound

    @property
    def word(self) -> str:
        """Say how it stands."""
        if self.value is None:
            return "not measured"
        if not self.judgeable:
            return "the rounds disagree too much to judge"
        return "held" if self.held else "missed"

    def to_json(self) -> dict[str, Any]:
        """Return it all."""
        return {
            "goal": self.name,
            "value": self.value,
            "spread": self.spread,
            "bound": self.bound,
            "least": self.least,
            "held": self.held,
        }


def judge(
    turns: Sequence[Turns], ratios: Mapping[str, Ratio], rows: Iterable[Row], nodes: Sequence[Turns] = ()
) -> list[Goal]:
    """Work out every goal."""
    by_users = {each.users: each for each in turns}
    found = {(row.name, row.users): row for row in rows if not row.delay_ms}

    def of(users: int, figure: Callable[[Turns], Ratio | None]) -> Ratio | None:
        return figure(by_users[users]) if users in by_users else None

    goals = []
    for users in (MIDDLE, MANY):
        path = of(users, lambda each: each.time(SHOAL, PATH))
        replaced = of(users, lambda each: each.time(ONE.name, SHOAL))
        goals.append(_goal(f"1 {users:,} users: time to the last order / the path alone", path, 2.0))
        goals.append(_goal(f"2 {users:,} users: the replaced design, one call / Shoal", replaced, 3.5, least=True))
    for users in (MIDDLE, MANY):
        cost = of(users, lambda each: each.cpu(SHOAL, BEFORE))
        goals.append(_goal(f"3 {users:,} users: CPU per settled order / the other checkout", cost, 0.5))
    for words, names, bound in (("scripts", ("evalsha",), 2.2), ("HGETALL and GET", ("hgetall", "get"), 4.0)):
        goals.append(
            Goal(f"8 {MIDDLE} users: {words} per settled order", _commands(by_users.get(MIDDLE), names), bound)
        )
    goals.append(_goal("4 slope 1,000-5,000 users / slope 100-1,000", ratios.get(SLOPE), 1.2))
    goals.append(_goal("5 20 ms away, 1,000 users: time / expected", ratios.get(DISTANCE), 1.15))
    one, many = found.get((SHOAL, 1)), found.get((SHOAL, MANY))
    goals.append(Goal("6 memory: KB per hosted user", _hosted(one, many), 100))
    goals.append(Goal("6 memory: MB of an executor of its own", _own(one), 45))
    goals.extend(
        Goal(f"7 {users} users: mean place, off the middle", _unfairness(found.get((SHOAL, users))), UNFAIR)
        for users in (MIDDLE, FEW)
    )
    goals.extend(
        _goal(f"8 {each.users:,} users: CPU per settled order, a cluster / one server", each.cpu(CLUSTER, SHOAL), 1.1)
        for each in nodes
    )
    return goals


def _goal(name: str, ratio: Ratio | None, bound: float, *, least: bool = False) -> Goal:
    if ratio is None:
        return Goal(name, None, bound, least)
    return Goal(name, ratio.median, bound, least, ratio.spread, ratio.judgeable)


def _commands(turns: Turns | None, names: Iterable[str]) -> float | None:
    """Return how often Redis runs these commands per settled order, in scripts or not."""
    if turns is None or SHOAL not in turns.taken:
        return None
    found = turns.median_commands(SHOAL)
    return sum(found.get(name, 0.0) for name in names)


def _own(one: Row | None) -> float | None:
    return None if one is None else one.facts["pss_kb"] / 1024


def _hosted(one: Row | None, many: Row | None) -> float | None:
    """What a user adds to a process that serves others already."""
    if one is None or many is None:
        return None
    processes = many.facts["executors"]
    return (many.facts["pss_kb"] - processes * one.facts["pss_kb"]) / (many.users - processes)


def _unfairness(row: Row | None) -> float | None:
    """Look at few users too: their orders come in one read, where many come in the turns of the engine."""
    return None if row is None or len(row.entries) + len(row.exits) < 100 else row.unfairness
