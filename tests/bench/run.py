"""One run, part by part; what a part found stays found if a later part fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.base import Base, measure_base
from tests.bench.fills import measure_fills
from tests.bench.goals import DISTANCE, SLOPE
from tests.bench.nodes import measure_nodes
from tests.bench.paper import measure_paper
from tests.bench.peers.measure import measure_libraries, measure_peers
from tests.bench.plan import Plan
from tests.bench.ratio import Ratio
from tests.bench.rounds import Stalled
from tests.bench.row import Row
from tests.bench.shoal import measure_shoal
from tests.bench.slopes import measure_distance, measure_slope
from tests.bench.turns import Turns, measure_turns, measure_venues
from tests.bench.verify import Verification

Say = Callable[[str], None]


@dataclass(slots=True)
class Results:
    """What was measured."""

    base: Base | None = None
    rows: list[Row] = field(default_factory=list)
    turns: list[Turns] = field(default_factory=list)
    venues: list[Turns] = field(default_factory=list)
    nodes: list[Turns] = field(default_factory=list)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    verdict: Verification = field(default_factory=Verification)


def run(plan: Plan, say: Say) -> Results:
    """Measure what the plan says, in folders that are gone afterwards."""
    found = Results()
    verdict = found.verdict
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as temporary:
        folder = Path(temporary)
        if "floors" in plan.parts:
            say("floors and ceiling")
            with _part("floors", verdict):
                found.base = measure_base(_new(folder / "base"), plan)
        for users in sorted(plan.turns) if "turns" in plan.parts else ():
            place = _new(folder / f"turns-{users}")
            with _part(f"in turn, {users} users", verdict):
                found.turns.append(measure_turns(place, users, plan, verdict, say))
            shutil.rmtree(place)
        for users in sorted(plan.venues) if "venues" in plan.parts else ():
            place = _new(folder / f"venues-{users}")
            with _part(f"at both venues, {users} users", verdict):
                found.venues.append(measure_venues(place, users, plan, verdict, say))
            shutil.rmtree(place)
        for users in sorted(plan.nodes) if "nodes" in plan.parts else ():
            place = _new(folder / f"nodes-{users}")
            with _part(f"one server and a cluster, {users} users", verdict):
                turns, facts = measure_nodes(place, users, plan, verdict, say)
                found.nodes.append(turns)
                found.facts |= facts
            shutil.rmtree(place)
        for name, measure in ((SLOPE, measure_slope), (DISTANCE, measure_distance)) if "slopes" in plan.parts else ():
            place = _new(folder / name)
            with _part(name, verdict):
                found.ratios[name] = measure(place, plan, verdict, say)
            shutil.rmtree(place)
        for users in plan.users if "shoal" in plan.parts else ():
            place = _new(folder / f"shoal-{users}")
            with _part(f"shoal, {users} users", verdict):
                found.rows += measure_shoal(place, users, plan, verdict, say)
            shutil.rmtree(place)
        if "paper" in plan.parts:
            with _part("paper exchange", verdict):
                rows, facts = measure_paper(_new(folder / "paper"), plan, verdict, say)
                found.rows += rows
                found.facts |= facts
        if "fills" in plan.parts:
            with _part("fills", verdict):
                found.rows += measure_fills(_new(folder / "fills"), plan, verdict, say)
        if "peers" in plan.parts:
            place = _new(folder / "peers")
            with _part("peers", verdict):
                found.rows += measure_peers(place, plan, verdict, say)
            with _part("libraries", verdict):
                found.facts |= measure_libraries(place, plan, say)
    return found


@contextmanager
def _part(name: str, verdict: Verification) -> Generator[None]:
    """Note a part that fails, and let the others go on."""
    try:
        yield
    except (AssertionError, RuntimeError, ValueError, OSError, Stalled) as error:
        verdict.failures.append(f"{name}: {type(error).__name__}: {error}")


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
