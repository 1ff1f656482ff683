"""What a run's Redis is, and the harm that only several servers can come to: fail-overs to a replica, and slots that move."""

from __future__ import annotations

import random
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

import redis
from redis.exceptions import RedisClusterException

from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import SentinelSet
from tests.support.redis_server import RedisServer

PROMOTION: Final = 9.0
"""Seconds that a killed primary stays away besides, so that another one takes over: it takes three to six."""
_SLOTS: Final = 8
"""How many slots one move is of at most."""


class Topology(StrEnum):
    """What Shoal runs on."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


def servers_for(topology: Topology, folder: Path) -> RedisCluster | SentinelSet | None:
    """Return the servers of a run; None for the one that a stack has by itself."""
    if topology is Topology.CLUSTER:
        return RedisCluster(folder / "cluster", replicas=1)
    return SentinelSet(folder / "sentinels") if topology is Topology.SENTINEL else None


class ManyServers:
    """Kills primaries of these servers and moves their slots. Of the primaries one at a time is away."""

    def __init__(self, servers: RedisCluster | SentinelSet, keys: list[str], seed: int) -> None:
        """`keys` are some of each slot that is worth moving."""
        self._servers = servers
        self._keys = keys
        self._dice = random.Random(seed)
        self._away: RedisServer | None = None
        self.moves = 0

    def kill(self) -> str:
        """Kill a primary whose replica follows it; return which, or an empty text if more than the last writes would be lost."""
        try:
            if self._away is not None or not self._servers.in_step():
                return ""
            victim = (
                self._dice.choice(self._servers.primaries())
                if isinstance(self._servers, RedisCluster)
                else self._servers.primary()
            )
        except (redis.RedisError, RedisClusterException):
            return ""
        victim.kill()
        self._away = victim
        return f"127.0.0.1:{victim.port}"

    def restart(self) -> None:
        """Start what was killed: it becomes a replica."""
        if self._away is not None:
            self._away.start()
            self._away = None

    def move(self) -> str:
        """Move some slots of the keys to another primary; return what was moved, or an empty text if that can't be done now."""
        if not isinstance(self._servers, RedisCluster) or self._away is not None:
            return ""
        some = self._dice.sample(self._keys, min(_SLOTS, len(self._keys)))
        with suppress(redis.RedisError, RedisClusterException):
            to = self._dice.choice(self._servers.primaries())
            self._servers.move_keys(some, to, dwell=0.2)
            self.moves += 1
            return f"{len(some)} slots to 127.0.0.1:{to.port}"
        return ""

    def finish_moves(self) -> None:
        """Finish what was broken off by the death, or a refusal, of a node: an operator has to, no client can."""
        if isinstance(self._servers, RedisCluster) and self._away is None:
            with suppress(redis.RedisError, RedisClusterException):
                self._servers.finish_moves()
