"""Checks whether the servers at REDIS_URL are a Redis that Shoal may run on: once, when a process starts.

Each must be new enough, be what the URL says (one primary, or primaries of a cluster), and, if real money moves, lose nothing:
each write on the disk before it is answered, and nothing evicted. A Redis that evicts loses orders without any error. Where there
are replicas, one of them should have each write soon: the last writes of a primary that is replaced are lost otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError, ResponseError

from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Wire
from shared.config.errors import ConfigurationError
from shared.config.redis_url import RedisKind, RedisUrl
from shared.domain.durability import Durability

_OLDEST: Final = (7, 0)
_LOADING_PATIENCE: Final = 60.0
"""Seconds to wait at the start for a Redis that is loading its log."""
_BUSY: Final = ("LOADING", "BUSY")
_NOT_ALLOWED: Final = ("NOPERM", "ERR unknown command")
_SETTINGS: Final = ("appendonly", "appendfsync", "maxmemory-policy")
_WANTED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_MIN_REPLICAS: Final = "min-replicas-to-write"
_CLOCKS_APART: Final = 0.5
"""Seconds by which the clocks of several servers may differ."""
_HARM: Final = {
    "appendonly": "a restart loses all data",
    "appendfsync": "a crash loses acknowledged writes",
    "maxmemory-policy": "it evicts orders when its memory is full",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Persistence:
    """The settings by which a server keeps data; an empty string is unknown."""

    appendonly: str
    appendfsync: str
    policy: str

    def faults(self) -> list[str]:
        """Return a description of each setting that loses data, with the value that it must have."""
        known = dict(zip(_SETTINGS, (self.appendonly, self.appendfsync, self.policy), strict=True))
        if known["appendonly"] == "no":
            known["appendfsync"] = ""  # has no effect then
        return [
            f"{name} is {value} ({_HARM[name]}): set `{name} {_WANTED[name]}`"
            for name, value in known.items()
            if value and value != _WANTED[name]
        ]

    def unknown(self) -> list[str]:
        """Return the names of the settings that the server does not report."""
        known = zip(_SETTINGS, (self.appendonly, self.appendfsync, self.policy), strict=True)
        return [name for name, value in known if not value]


async def check_servers(
    servers: Callable[[], Awaitable[Mapping[str, Wire]]], address: RedisUrl, durability: Durability
) -> tuple[str, ...]:
    """Check every server that takes writes; return what should be changed. Raises ConfigurationError in one line."""
    try:
        found = await servers()
    except LOST as error:
        raise ConfigurationError(f"REDIS_URL: no usable Redis at {address.shown}: {error}") from None
    cautions = []
    clocks: list[float] = []
    for name, wire in found.items():
        where = f"{address.shown} ({name})" if name else address.shown
        cautions += await _check_server(wire, where, address.kind, durability)
        clocks.append(await _clock_difference(wire) if len(found) > 1 else 0.0)
    if max(clocks) - min(clocks) > _CLOCKS_APART:
        cautions.append(
            f"the clocks of {address.shown} are {max(clocks) - min(clocks):.1f} s apart: ages of signals are judged by them"
        )
        log.warning("the clocks of the Redis servers differ", reason=cautions[-1])
    return tuple(cautions)


async def _check_server(wire: Wire, where: str, kind: RedisKind, durability: Durability) -> list[str]:
    """Check one server; `where` is its address for texts. Return what should be changed. Raises ConfigurationError."""
    info = _fields(await _ask_for_info(wire, where))
    version = info.get("redis_version", "0.0")
    if info and tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        raise ConfigurationError(f"REDIS_URL: {where} is Redis {version}; Shoal needs Redis 7.0 or Valkey 8 or newer")
    if why := _wrong_kind(info, kind):
        raise ConfigurationError(f"REDIS_URL: {where} is {why}")
    if durability is Durability.UNCHECKED:
        return []
    _judge(await _read_persistence(wire, info), where, durability)
    if durability is Durability.WARNED or not await _may_lose_last_writes(wire, info):
        return []
    words = (
        f"{where} has replicas and answers before any of them has a write: a fail-over may lose the last ones; "
        "set `min-replicas-to-write 1`"
    )
    log.warning("a fail-over of this Redis may lose the last writes", reason=words)
    return [words]


async def _clock_difference(wire: Wire) -> float:
    """Return the seconds by which a server's clock is ahead of this host's."""
    began = time.time()
    try:
        (answer,) = await wire.ask([("TIME",)])
        return int(answer[0]) + int(answer[1]) / 1_000_000 - (began + time.time()) / 2
    except (*LOST, ValueError, TypeError):
        return 0.0


async def _may_lose_last_writes(wire: Wire, info: Mapping[str, str]) -> bool:
    """Return whether a server has replicas and takes writes that none of them may have."""
    if info.get("connected_slaves", "0") == "0" or "min_slaves_good_slaves" in info:
        return False
    try:
        (answer,) = await wire.ask([("CONFIG", "GET", _MIN_REPLICAS)])
    except LOST:
        return False
    return _pairs(answer).get(_MIN_REPLICAS) == "0"


async def _ask_for_info(wire: Wire, where: str) -> str:
    """Return the text of INFO; an empty string if the ACL forbids it."""
    deadline = asyncio.get_running_loop().time() + _LOADING_PATIENCE
    while True:
        try:
            (info,) = await wire.ask([("INFO",)])
            if not isinstance(info, Exception):
                return str(info)
            if str(info).startswith(_NOT_ALLOWED):
                return ""
            if not str(info).startswith(_BUSY):
                raise info
        except (*LOST, RedisError) as error:
            raise ConfigurationError(f"REDIS_URL: no usable Redis at {where}: {error}") from None
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigurationError(f"REDIS_URL: {where} accepts no commands yet ({info}); try again later")
        await asyncio.sleep(0.2)


def _fields(info: str) -> dict[str, str]:
    lines = (line.partition(":") for line in info.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}


def _wrong_kind(info: Mapping[str, str], wanted: RedisKind) -> str:
    """Return what the server is if the URL is for another kind; otherwise an empty string."""
    mode = info.get("redis_mode") or info.get("server_mode", "")  # the name of Valkey
    if mode == "sentinel":
        return "a Sentinel: name the primary that it watches, as in redis+sentinel://host1,host2,host3/mymaster"
    clustered = mode == "cluster" or info.get("cluster_enabled") == "1"
    if clustered and wanted is not RedisKind.CLUSTER:
        return "a node of a Redis Cluster: write redis+cluster://host1,host2,host3"
    if info.get("role") == "slave":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        return f"a replica, which takes no writes; give the address of its primary ({primary})"
    return ""


async def _read_persistence(wire: Wire, info: Mapping[str, str]) -> _Persistence:
    """Query how data is kept: by CONFIG, or by INFO if a managed Redis forbids that."""
    try:
        (answer,) = await wire.ask([("CONFIG", "GET", *_SETTINGS)])
    except LOST:
        answer = None
    found = _pairs(answer)
    aof = {"1": "yes", "0": "no"}.get(info.get("aof_enabled", ""), "")
    return _Persistence(
        appendonly=found.get("appendonly", aof),
        appendfsync=found.get("appendfsync", ""),
        policy=found.get("maxmemory-policy", info.get("maxmemory_policy", "")),
    )


def _pairs(answer: Any) -> dict[str, str]:
    if isinstance(answer, ResponseError) or not isinstance(answer, list):
        return {}
    words = iter(map(str, answer))
    return dict(zip(words, words, strict=False))


def _judge(kept: _Persistence, where: str, durability: Durability) -> None:
    strict = durability in {Durability.REQUIRED, Durability.TRUSTED}
    if faults := kept.faults():
        words = f"{where} may lose orders: {'; '.join(faults)}"
        if strict:
            raise ConfigurationError(f"REDIS_URL: {words} (refused because SHOAL_MODE is live)")
        log.warning("this Redis is refused in live mode", reason=words)
    if unknown := kept.unknown():
        words = f"{where} does not report {', '.join(unknown)}"
        # An AOF and no eviction are enough: a managed Redis that reports these rarely reports more.
        if durability is Durability.REQUIRED and unknown != ["appendfsync"]:
            raise ConfigurationError(
                f"REDIS_URL: {words}, so orders might be lost; allow CONFIG GET or INFO for this Redis user, "
                "or set REDIS_UNCHECKED=accept if you know that it has appendonly yes, appendfsync always and noeviction"
            )
        log.warning("how this Redis keeps orders could not be checked in full", reason=words)
