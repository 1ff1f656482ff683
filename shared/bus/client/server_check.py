"""Checks whether the server at REDIS_URL is a Redis that Shoal may run on: once, when a process starts.

It must be new enough, one primary (neither a cluster, nor a Sentinel, nor a replica), and, if real money moves, a server that
loses nothing: each write on the disk before it is answered, and nothing evicted. A Redis that evicts loses orders without any
error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.exceptions import RedisError, ResponseError

from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Wire
from shared.config.errors import ConfigurationError
from shared.domain.durability import Durability

_OLDEST: Final = (7, 0)
_LOADING_PATIENCE: Final = 60.0
"""Seconds to wait at the start for a Redis that is loading its log."""
_BUSY: Final = ("LOADING", "BUSY")
_NOT_ALLOWED: Final = ("NOPERM", "ERR unknown command")
_SETTINGS: Final = ("appendonly", "appendfsync", "maxmemory-policy")
_WANTED: Final = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
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


async def check_server(wire: Wire, where: str, durability: Durability) -> None:
    """Check the server at the other end; `where` is its address for error texts. Raises ConfigurationError in one line."""
    info = _fields(await _ask_for_info(wire, where))
    version = info.get("redis_version", "0.0")
    if info and tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        raise ConfigurationError(f"REDIS_URL: {where} is Redis {version}; Shoal needs Redis 7.0 or Valkey 8 or newer")
    if why := _wrong_kind(info):
        raise ConfigurationError(f"REDIS_URL: {where} is {why}")
    if durability is not Durability.UNCHECKED:
        _judge(await _read_persistence(wire, info), where, durability)


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


def _wrong_kind(info: Mapping[str, str]) -> str:
    """Return what the server is if it is not a single primary; otherwise an empty string."""
    mode = info.get("redis_mode") or info.get("server_mode", "")  # the name of Valkey
    if mode == "sentinel":
        return "a Sentinel, which is not supported yet; give the address of the primary that it watches"
    if mode == "cluster" or info.get("cluster_enabled") == "1":
        return "a Redis Cluster, which is not supported yet; give the address of a single Redis"
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
