"""A partition between the executor that serves a user and Redis, or the venue: nothing passes, and neither end hears of it.

The user is served by another executor once the lease has run out; what the first one had under way is resolved, not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.chaos.drills import USER, Drill, breaches_of
from tests.chaos.opening import PAPER_FILE, USER_FILE
from tests.chaos.run import UNBUDGETED
from tests.support.forwarder import Forwarder
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

_TAKEN_OVER: Final = 60.0


class Partition:
    """One user, the executor that serves it behind a link that can be cut, and another one beside it."""

    def __init__(self, drill: Drill, link: Forwarder, environment: Mapping[str, str]) -> None:
        """`environment`: what the first executor is told, so that its way leads over the link."""
        self.drill = drill
        self.link = link
        stack = drill.stack
        self.first = self._executor(stack, environment)
        stack.start("copy-engine", "services.copy_engine", LOG_FORMAT="json")
        stack.wait_ready(USER)
        self._executor(stack, {})

    @staticmethod
    def _executor(stack: Stack, environment: Mapping[str, str]) -> Service:
        return stack.start("executor", "services.executor", LOG_FORMAT="json", **{**UNBUDGETED, **environment})

    def owner(self) -> int:
        """Return the pid of the executor that holds the lease: an owner is named host-pid-random. 0 while there is none."""
        owner = self.drill.stack.client.get(keys.lease(USER))
        return int(str(owner).rsplit("-", 2)[1]) if owner else 0


def between_executor_and_redis(drill: Drill) -> list[str]:
    """Cut the owner off Redis until the other has taken over and traded; heal it and see that only one of them trades."""
    with Forwarder(drill.stack.redis.port) as link:
        scene = Partition(drill, link, {"REDIS_URL": f"redis://127.0.0.1:{link.port}/0"})
        drill.entry()
        assert drill.rest()
        drill.entry("ETH/USD")  # under way
        link.part()
        wait_for(lambda: scene.owner() not in {0, scene.first.pid}, _TAKEN_OVER, "another executor takes over")
        drill.exit(fraction="0.5")
        quiet = drill.rest()
        link.heal()
        for _ in range(20):  # the first one is back, and would trade too if it could
            drill.entry()
        drill.exit(fraction="0.37")
        return breaches_of(drill.rest() and quiet, drill.evidence())


def between_executor_and_venue(drill: Drill) -> list[str]:
    """Cut the owner off its venue with orders under way: their outcome is unknown until it heals, and nothing is sent twice."""
    with Forwarder(drill.stack.paper_port) as link:
        through = f"http://127.0.0.1:{link.port}"
        Partition(drill, link, {"PAPER_URL": through})
        drill.entry()
        assert drill.rest()
        drill.entry("ETH/USD")
        link.part()
        drill.entry()
        drill.exit(fraction="0.5")
        wait_for(lambda: len(drill.stack.orders(USER)) >= len(drill.emitted), _TAKEN_OVER, "the decisions are made")
        link.heal()
        return breaches_of(drill.rest(), drill.evidence())


PARTITIONS: Final[Mapping[str, Callable[[Drill], list[str]]]] = {
    "partition-redis": between_executor_and_redis,
    "partition-venue": between_executor_and_venue,
}


def play(name: str, folder: Path) -> list[str]:
    """Play a drill in a new folder; return what broke."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "paper.toml").write_text(PAPER_FILE)
    with Stack(folder, [USER], user_settings=USER_FILE, streams=False) as stack:
        return PARTITIONS[name](Drill(stack, 0))
