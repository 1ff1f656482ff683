"""`ops redis-users FOLDER`: create the Redis users of a compose project, with generated passwords.

Writes `acl/users.acl` for Redis, `acl/operator` with the password for `redis-cli` in its container, and `<service>/url` with the
REDIS_URL of each service, `groups/<group>/url` with that of the executors of a group. In compose each folder is a volume (or a
part of one) that only its service mounts. With TLS also a certificate for Redis, and what clients check it by. A second run keeps
the passwords and rewrites the rules. It must never print a password.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from services.ops.access.redis_groups import find_groups, remember_groups, remembered_groups
from services.ops.access.redis_tls import CA, forget_certificate, write_certificate
from services.ops.runner import refuse
from shared.config.redis_url import RedisUrlError, read_redis_url
from shared.config.settings import ConfigSource, load_settings
from shared.contracts.access import ACCESS, EXECUTOR, redis_user, rules
from shared.domain.limits.policy import UserPolicy

PLACE: Final = "redis:6379/0"
_OPERATOR: Final = "acl/operator"
_USERS: Final = "acl/users.acl"
_CONFIG: Final = "acl/redis.conf"
MOUNTED: Final = "/run/redis"
"""Where a container of compose, and a pod of the chart, has the folder with its `url`."""


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """Where Redis is: host, port and database as services reach it, with TLS or without.

    `mounted` is where a service finds what its folder has.
    """

    address: str = PLACE
    tls: bool = False
    mounted: str = MOUNTED

    def url(self, user: str, password: str) -> str:
        """Return the REDIS_URL of a Redis user."""
        if not self.tls:
            return f"redis://{user}:{password}@{self.address}"
        return f"rediss://{user}:{password}@{self.address}?ssl_ca_certs={quote(f'{self.mounted}/{CA}', safe='')}"

    @property
    def port(self) -> str:
        """Return the port at which Redis speaks TLS."""
        return self.address.partition("/")[0].rpartition(":")[2]

    @property
    def host(self) -> str:
        """Return the host, for which a certificate is made."""
        return self.address.partition("/")[0].rpartition(":")[0] or self.address


def redis_users(
    folder: Annotated[Path, typer.Argument(help="Has a folder `acl`, one for each service, and `groups`")],
    place: Annotated[str, typer.Option(help="Host, port and database of Redis, as services reach it")] = PLACE,
    tls: Annotated[str, typer.Option(help="on: Redis speaks TLS, with a certificate that is made here")] = "",
) -> None:
    """Create a Redis user with its own password for each service, and for the executors of each group."""
    if tls not in {"", "on", "off"}:
        refuse(f"--tls {tls}: must be on or off")
    write_and_report(folder, RedisPlace(place, tls == "on"))


def write_and_report(folder: Path, place: RedisPlace) -> None:
    """Write the files of all Redis users for the present groups; print their names, and no password."""
    os.umask(0o022)  # each folder is a volume that only its service mounts
    settings = load_settings()
    # Settings in Redis cannot be read before it starts: the groups known from before count, and `ops acl --apply` follows.
    users: dict[str, UserPolicy] | None = {} if settings.shoal_config_source is ConfigSource.REDIS else None
    groups = find_groups(settings.shoal_config, remembered_groups(folder), users)
    try:
        names = write_users(folder, place, groups)
    except OSError as error:
        refuse(f"{error.filename} cannot be written: {error.strerror}")
    print(f"Redis users: {', '.join(sorted(names))}", file=sys.stderr)


def write_users(folder: Path, place: RedisPlace | str, groups: dict[str, list[str]] | None = None) -> list[str]:
    """Write all files; existing Redis users keep their passwords. Return their names. Raises OSError.

    `groups` are the users of each group.
    """
    place = RedisPlace(place) if isinstance(place, str) else place
    operator = _kept(folder / _OPERATOR)
    lines = [f"user default reset on #{_hashed(operator)} resetchannels ~* &* +@all"]
    folders = {service: folder / service for service in ACCESS}
    allowed = {service: rules(service) for service in ACCESS}
    for group, users in (groups or {}).items():
        name = redis_user(EXECUTOR, group)
        folders[name], allowed[name] = folder / "groups" / group, rules(EXECUTOR, users)
    urls: dict[Path, str] = {}
    for name, where in folders.items():
        password = _password_in(where / "url") or secrets.token_urlsafe(32)
        lines.append(f"user {name} {allowed[name]} #{_hashed(password)}")
        urls[where] = place.url(name, password)
    # For commands that move or end a user's books (ops user): only the service `ops` mounts it, which runs on request.
    urls[folder / "ops"] = place.url("default", operator)
    if place.tls:
        config = write_certificate(folder / "acl", place.host, place.port, urls)
    else:
        config = forget_certificate(folder / "acl", urls)
    for where, url in urls.items():
        _write(where / "url", url)
    remember_groups(folder, groups or {})
    _write(folder / _OPERATOR, operator)
    _write(folder / _CONFIG, config)
    _write(folder / _USERS, "\n".join(lines))  # last: Redis starts when this file exists
    return list(folders)


def _kept(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or secrets.token_urlsafe(32)
    except FileNotFoundError:
        return secrets.token_urlsafe(32)


def _password_in(path: Path) -> str:
    try:
        found = read_redis_url(path.read_text(encoding="utf-8").strip()).secrets
    except (FileNotFoundError, RedisUrlError, UnicodeDecodeError):
        return ""
    return found[0] if found else ""


def _hashed(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)
