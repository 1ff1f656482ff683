"""`ops acl`: the Redis users with least rights, for a Redis that is not that of compose.

Without an option it prints the rules, without passwords. `--write FOLDER` writes what `ops redis-users` writes. `--apply` gives
the Redis users that exist at REDIS_URL their present rights and keeps their passwords: after a user was added to a group, or to
another one. In a cluster it does so at every primary; rights are not replicated, so replicas take the file of `--write`. With
Sentinel, where any server may be the next primary, it refuses.

It must never change a Redis user whose name is not Shoal's, nor print a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from services.ops.access.redis_groups import find_groups
from services.ops.access.redis_users import MOUNTED, PLACE, RedisPlace, write_and_report
from services.ops.output import AsJson, print_json
from services.ops.runner import refuse, run_with_bus
from services.ops.user.settings.opening import load_all
from shared.bus.connection import Bus
from shared.bus.users.last_settings import LastSettings, holders
from shared.config.redis_url import RedisKind, read_redis_url
from shared.config.settings import ConfigSource, Settings, load_settings
from shared.contracts.access import ACCESS, EXECUTOR, redis_user, rights, rules


def acl(
    write: Annotated[
        Path | None, typer.Option(help="Write users.acl and the REDIS_URL of each Redis user there")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Give the Redis users at REDIS_URL these rights now")] = False,
    place: Annotated[str, typer.Option(help="With --write: host, port and database of Redis")] = PLACE,
    tls: Annotated[
        bool, typer.Option("--tls", help="With --write: Redis speaks TLS; a certificate is made too")
    ] = False,
    mounted: Annotated[str, typer.Option(help="With --tls: where each service finds its folder")] = MOUNTED,
    as_json: AsJson = False,
) -> None:
    """Print, write or apply the rules of the Redis users: one for each service and for the executors of each group."""
    if write is not None and apply:
        refuse("--write and --apply are two commands: run one after the other")
    if write is not None:
        write_and_report(write, RedisPlace(place, tls, mounted))
        return
    if apply:
        kind = _require_applicable(load_settings().redis_url)
        changed, missing = run_with_bus(_apply)
        if as_json:
            print_json({"changed": changed, "missing": missing})
            return
        print(f"rights are set for: {', '.join(changed) or 'no Redis user'}")
        if missing:
            print(
                f"there is no Redis user {', '.join(missing)}: `ops acl` prints their rules, `ops acl --write` makes them"
            )
        if kind is RedisKind.CLUSTER:
            print(
                "replicas keep their own rights: put the users.acl of `ops acl --write` on each, then `ACL LOAD` there"
            )
        return
    found = {name: rules(service, users) for name, service, users in _redis_users(_groups())}
    if as_json:
        print_json(found)
        return
    for name, text in found.items():
        print(f"user {name} {text}")


def _groups() -> dict[str, list[str]]:
    settings = load_settings()
    users = run_with_bus(load_all) if settings.shoal_config_source is ConfigSource.REDIS else None
    return find_groups(settings.shoal_config, users=users)


def _require_applicable(url: str) -> RedisKind:
    kind = read_redis_url(url).kind
    if kind is RedisKind.SENTINEL:
        refuse(
            "--apply sets the rights at one server, and with Sentinel another one may be the next primary: put the users.acl of "
            "`ops acl --write` on each of them, then `ACL LOAD` there"
        )
    return kind


def _redis_users(groups: Mapping[str, list[str]]) -> list[tuple[str, str, list[str] | None]]:
    """Return name, service and users of each Redis user."""
    found: list[tuple[str, str, list[str] | None]] = [(service, service, None) for service in ACCESS]
    return found + [(redis_user(EXECUTOR, group), EXECUTOR, users) for group, users in groups.items()]


async def _apply(settings: Settings, bus: Bus) -> tuple[list[str], list[str]]:
    known = set.intersection(*map(set, (await bus.do_everywhere("ACL", "USERS")).values()))
    last = await LastSettings(bus).read(await holders(bus))
    former = {user: policy.group for user, policy in last.items() if policy.group}
    changed, missing = [], []
    for name, service, users in _redis_users(find_groups(settings.shoal_config, former, await load_all(settings, bus))):
        if name in known:
            await bus.do_everywhere("ACL", "SETUSER", name, *rights(service, users).split())
            changed.append(name)
        else:
            missing.append(name)
    return changed, missing
