"""The Redis ACL rules of each service: the commands that it sends and the keys that it writes.

Every service may read all of Shoal's keys but those of signing in (`shoal-access:`), which are the api's alone; it may write only
the keys that it owns. The executors of a group are a Redis user of their own, who reads and writes the keys of the group's users
and what concerns all, and not those of other users: patterns name the users one by one, since a key does not show a group.

A script runs with the rights of its caller: Redis checks each command in it again.

No rule may be wider than needed for convenience: an attacker in one container must not be able to write orders. Only commands of
Redis 7.0 may be named, or an older server would not start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.contracts import keys

_CONNECTION: Final = (
    "auth hello ping echo select client|setname info config|get time scan asking wait cluster|info cluster|slots"
)
_READING: Final = (
    "get mget exists type hget hmget hgetall hkeys "
    "xlen xread xrange xrevrange xinfo|stream xinfo|groups xpending zscore"
)
_RECORDS: Final = "get set del pexpire incrby hget hset hdel hincrby"
_HASHES: Final = "hget hset hdel pexpire"
_CONNECTING: Final = "zcard zrange zadd zremrangebyscore pexpire"
_SIGNING_IN: Final = "eval evalsha get set del getdel exists incr pexpire pttl type hget hset hsetnx hdel hlen hgetall"
_CONSUMING: Final = "xreadgroup xack xgroup|create xtrim"
_SAMPLES: Final = "getrange set setrange del pexpire"
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class WriteRule:
    """The commands that a service may send to keys of these patterns."""

    commands: str
    keys: tuple[str, ...]


def _process(service: str) -> tuple[str, str]:
    return keys.heartbeat(service, _ANY), keys.PROCESSES


def _lease(holder: str) -> tuple[str, str]:
    return keys.lease(holder), keys.fence(holder)


_OF_A_USER: Final = (
    keys.order(_ANY, _ANY),
    keys.nonce(_ANY, _ANY),
    keys.account(_ANY, _ANY),
    keys.positions(_ANY, _ANY),
    keys.books(_ANY, _ANY),
    keys.differences(_ANY, _ANY),
    keys.reconciled(_ANY, _ANY),
    keys.own_exits(_ANY, _ANY),
    keys.book_corrections(_ANY, _ANY),
    keys.risk(_ANY, _ANY),
    keys.last_settings(_ANY),
    keys.rebuilt(_ANY, _ANY),
    keys.doctor(_ANY, _ANY),
    keys.mirrored(_ANY, _ANY),
    keys.mirror_marks(_ANY, _ANY),
    keys.totals(_ANY, _ANY),
    keys.stage(_ANY),
)

ACCESS: Final[dict[str, tuple[WriteRule, ...]]] = {
    "master-strategy": (
        WriteRule(f"{_RECORDS} xadd xtrim getrange setrange", (keys.OF_THE_MASTER, keys.OF_FURTHER_MASTERS)),
        WriteRule("xadd zadd zremrangebyscore", (keys.SIGNALS, keys.EMITTED)),
        WriteRule("xadd hget hset hdel", (keys.MASTER_ORDERS, keys.masters_resting(_ANY))),
        WriteRule(
            _HASHES,
            (keys.prices(_ANY), keys.instruments(_ANY), keys.clock(_ANY), *_process("master-strategy")),
        ),
        WriteRule("hset hdel", (keys.api_key(_ANY), keys.SERVED_KEYS)),
        WriteRule(_CONNECTING, (keys.connects(_ANY),)),
    ),
    "executor": (
        WriteRule(_RECORDS, (*_lease(_ANY), *_OF_A_USER)),
        WriteRule(
            _HASHES,
            (
                keys.watched(_ANY),
                keys.prices(_ANY),
                keys.instruments(_ANY),
                keys.clock(_ANY),
                keys.api_key(_ANY),
                keys.SERVED_KEYS,
                *_process("executor"),
            ),
        ),
        WriteRule(_CONNECTING, (keys.connects(_ANY),)),
        WriteRule(_CONSUMING, (keys.orders(_ANY), keys.resting(_ANY))),
        WriteRule(_SAMPLES, (keys.equity(_ANY, _ANY, _ANY), keys.price_samples(_ANY, _ANY))),
        WriteRule(
            "xadd xtrim",
            (
                keys.reports(_ANY),
                keys.stopouts(_ANY),
                keys.stage_moves(_ANY),
                keys.dead(keys.orders(_ANY)),
                keys.dead(keys.resting(_ANY)),
            ),
        ),
    ),
    "copy-engine": (
        WriteRule(_RECORDS, _lease(keys.ENGINE)),
        WriteRule(
            _HASHES,
            (keys.following(_ANY), *_process("copy-engine"), keys.MIRRORING, keys.KNOWN_USERS, keys.SETTINGS_VERSIONS),
        ),
        WriteRule(_CONSUMING, (keys.SIGNALS, keys.MASTER_ORDERS)),
        WriteRule(
            "xadd", (keys.orders(_ANY), keys.resting(_ANY), keys.dead(keys.SIGNALS), keys.dead(keys.MASTER_ORDERS))
        ),
    ),
    # Includes the command line, which runs in its container. `user rename` rewrites records and needs another Redis user.
    "api": (
        WriteRule(
            _HASHES,
            (
                *_process("api"),
                keys.order(_ANY, _ANY),
                keys.dropped(_ANY),
                keys.LAST_RELOADED_SETTINGS,
                keys.USER_STATES,
            ),
        ),
        WriteRule("hget hset hdel del", (keys.CONTROL, keys.control(_ANY), keys.control_of_symbol(_ANY))),
        WriteRule("hset", (keys.SWITCHED_SYMBOLS,)),
        WriteRule("xadd", (keys.CONTROL_LOG,)),
        WriteRule("hget hset hdel del", (keys.USER_SETTINGS, keys.user_settings(_ANY))),
        WriteRule("xadd", (keys.user_settings_history(_ANY),)),
        WriteRule("get set del", (keys.CONFIRMATIONS,)),
        WriteRule("xgroup|create xclaim", (keys.orders(_ANY),)),
        WriteRule("xadd xdel", (keys.SIGNALS,)),
        WriteRule("xdel", (keys.dead(_ANY),)),
        WriteRule(_SIGNING_IN, (keys.OF_ACCESS,)),
        WriteRule("hset", (keys.NOTIFY_TEST,)),
        WriteRule("del", (keys.NOTIFY_EXPECTED,)),
    ),
    # It reads everything and trades nothing: beside its lease it writes only what it keeps for itself.
    "notifier": (
        WriteRule(_RECORDS, _lease(keys.NOTIFIER)),
        WriteRule(
            _HASHES,
            (keys.NOTICES, keys.OUTBOX, keys.NOTIFY_TEST, keys.NOTIFY_EXPECTED, *_process("notifier")),
        ),
    ),
}
"""By service. `paper-exchange` and `paper-accounts` need no Redis, so they have no Redis user."""


EXECUTOR: Final = "executor"
_OF_ANY_USER: Final = f"{{{_ANY}}}"
"""What stands for the user in a pattern of the keys of all users."""
_PRICE_FEEDS: Final = keys.price_feed(_ANY)
"""Leases that executors of every group may hold beside those of their users."""
_CONCERNS_ALL: Final = (
    keys.SIGNALS,
    keys.MASTER_ORDERS,
    keys.masters_resting(_ANY),
    keys.MIRRORING,
    keys.KNOWN_USERS,
    keys.USER_SETTINGS,
    keys.CONTROL,
    keys.control_of_symbol(_ANY),
    keys.HEARTBEATS,
    keys.PROCESSES,
    keys.OF_THE_MASTER,
    keys.OF_FURTHER_MASTERS,
    keys.api_key(_ANY),
    keys.prices(_ANY),
    keys.price_samples(_ANY, _ANY),
    keys.instruments(_ANY),
    keys.watched(_ANY),
    keys.clock(_ANY),
    keys.connects(_ANY),
    keys.lease(_ANY),
    keys.fence(_ANY),
)
"""Keys beside those of its users that an executor reads: the market, the master, switches, who serves whom, who uses a key, and
which users there are."""


def redis_user(service: str, group: str = "") -> str:
    """Return the name of a service's Redis user; that of an executor may be of a group."""
    return f"{service}-{group}" if group else service


def rules(service: str, users: Sequence[str] | None = None) -> str:
    """Return the ACL rules of a service's Redis user, without name and password; of an executor for these users alone."""
    return f"reset on {rights(service, users)}"


def rights(service: str, users: Sequence[str] | None = None) -> str:
    """Return the rules that replace all rights of a Redis user and keep its passwords."""
    parts = ["resetchannels resetkeys clearselectors -@all", _allow(_CONNECTION)]
    parts.append(f"({_allow(_READING)} {_readable(users)})")
    if service == EXECUTOR:  # in a cluster it learns which streams have changed: their names, not what is in them
        parts.append(_allow("client|tracking"))
    parts.append(f"({_allow('eval evalsha')} ~shoal:*)")  # a script's commands are checked each by its own keys
    for each in ACCESS[service]:
        patterns = each.keys if users is None else [one for key in each.keys for one in _narrowed(key, users)]
        if patterns:
            parts.append(f"({_allow(each.commands)} {' '.join(f'~{pattern}' for pattern in patterns)})")
    return " ".join(parts)


def _readable(users: Sequence[str] | None) -> str:
    if users is None:
        return "%R~shoal:*"
    return " ".join(f"%R~{pattern}" for pattern in (*_CONCERNS_ALL, *(keys.of_user(user) for user in users)))


def _narrowed(pattern: str, users: Sequence[str]) -> list[str]:
    """Return the patterns of some users' keys for a pattern of all users' keys; any other one stays as it is."""
    if _OF_ANY_USER not in pattern:
        return [pattern]
    holders = [*users, _PRICE_FEEDS] if pattern in _lease(_ANY) else users
    return [pattern.replace(_OF_ANY_USER, f"{{{holder}}}") for holder in holders]


def _allow(commands: str) -> str:
    return " ".join(f"+{command}" for command in commands.split())
