"""A partition between the executor that serves a user and Redis, or the venue: nothing passes, and neither end hears of it.

The user is served by another executor once the lease has run out; what the first one had under way is resolved, not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.chaos.drills import USER, Drill, breaches_of
from tests.chaos.opening import PAPER_FILE, USER_FILE
from tests.chaos.run import UNBUDGETED
from tests.drills.ways import End, ForwarderWay, NamespaceWay, Way
from tests.support.processes import wait_for
from tests.support.stack import Stack

_TAKEN_OVER: Final = 60.0
_CUT_OFF: Final = 12.0
"""Seconds without the venue: longer than any request waits for its answer."""
_TOLD: Final = {**UNBUDGETED, "LOG_FORMAT": "json"}


class Partition:
    """One user, the executor that serves it over a way that can be cut, and another one beside it."""

    def __init__(self, drill: Drill, way: Way) -> None:
        self.drill = drill
        stack = drill.stack
        self.first = way.start(_TOLD)
        stack.start("copy-engine", "services.copy_engine", LOG_FORMAT="json")
        stack.wait_ready(USER)
        stack.start("executor", "services.executor", **_TOLD)

    def owner(self) -> int:
        """Return the pid of the executor that holds the lease: an owner is named host-pid-random. 0 while there is none."""
        owner = self.drill.stack.client.get(keys.lease(USER))
        return int(str(owner).rsplit("-", 2)[1]) if owner else 0


def between_executor_and_redis(drill: Drill, way: Way) -> list[str]:
    """Cut the owner off Redis until the other has taken over and traded; heal it and see that only one of them trades."""
    scene = Partition(drill, way)
    drill.entry()
    assert drill.rest()
    drill.entry("ETH/USD")  # under way
    way.part(End.REDIS)
    wait_for(lambda: scene.owner() not in {0, scene.first}, _TAKEN_OVER, "another executor takes over")
    drill.exit(fraction="0.5")
    quiet = drill.rest()
    way.heal(End.REDIS)
    for _ in range(20):  # the first one is back, and would trade too if it could
        drill.entry()
    drill.exit(fraction="0.37")
    return breaches_of(drill.rest() and quiet, drill.evidence())


def between_executor_and_venue(drill: Drill, way: Way) -> list[str]:
    """Cut the owner off its venue with orders under way: their outcome is unknown until it heals, and nothing is sent twice."""
    Partition(drill, way)
    drill.entry()
    assert drill.rest()
    drill.entry("ETH/USD")
    way.part(End.VENUE)
    drill.entry()
    drill.exit(fraction="0.5")
    wait_for(lambda: len(drill.stack.orders(USER)) >= len(drill.emitted), _TAKEN_OVER, "the decisions are made")
    time.sleep(_CUT_OFF)  # nothing tells when every request has been given up
    way.heal(End.VENUE)
    return breaches_of(drill.rest(), drill.evidence())


_CUTS: Final = {End.REDIS: between_executor_and_redis, End.VENUE: between_executor_and_venue}
_WAYS: Final[Mapping[str, Callable[[Stack], Way]]] = {"partition": ForwarderWay, "namespace": NamespaceWay}
PARTITIONS: Final = {f"{kind}-{end}": (make, cut) for kind, make in _WAYS.items() for end, cut in _CUTS.items()}
"""How the way is made and what is done, by name."""
WITHOUT_RIGHTS: Final = tuple(name for name in PARTITIONS if name.startswith("partition"))
"""Those that any user may play."""


def playable() -> list[str]:
    """Return the names of those that this user may play here."""
    return list(PARTITIONS if NamespaceWay.possible() else WITHOUT_RIGHTS)


def play(name: str, folder: Path) -> list[str]:
    """Play a drill in a new folder; return what broke."""
    make, cut = PARTITIONS[name]
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "paper.toml").write_text(PAPER_FILE)
    with Stack(folder, [USER], user_settings=USER_FILE, streams=False) as stack:
        drill = Drill(stack, 0)
        with make(stack) as way:
            return cut(drill, way)
