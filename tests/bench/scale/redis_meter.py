"""What a Redis server has done so far: commands and CPU time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, cast

import redis


@dataclass(frozen=True, slots=True)
class RedisWork:
    """Commands, and seconds of CPU time."""

    calls: int
    cpu: float

    def __sub__(self, other: RedisWork) -> RedisWork:
        """Return what was done between two readings; the second reading's own commands are taken out."""
        return RedisWork(self.calls - other.calls - RedisMeter.OWN, self.cpu - other.cpu)


class RedisMeter:
    """Reads them; use it as a context."""

    OWN = 2
    """Commands of one reading."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port, decode_responses=True)

    def read(self) -> RedisWork:
        """Return what was done until now."""
        stats = cast("dict[str, dict[str, int]]", self._client.info("commandstats"))
        cpu = self._client.info("cpu")
        calls = sum(each["calls"] for each in stats.values())
        return RedisWork(calls, float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"]))

    def field(self, key: str, field: str) -> str:
        """Return a field of a hash; empty if there is none."""
        return cast("str | None", self._client.hget(key, field)) or ""

    def remove(self, key: str) -> None:
        """Delete a key."""
        self._client.delete(key)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()
