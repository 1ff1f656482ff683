"""`ops redis-users FOLDER`: create the Redis users of a compose project, with generated passwords.

Writes `acl/users.acl` for Redis, `acl/operator` with the password for `redis-cli` in its container, and `<service>/url` with the
REDIS_URL of each service. In compose each of these folders is a volume of its own, which only its service mounts. A second run
keeps the passwords and rewrites the rules. It must never print a password.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ops.runner import refuse
from shared.config.redis_url import RedisUrlError, read_redis_url
from shared.contracts.access import ACCESS, rules

_PLACE: Final = "redis:6379/0"
_OPERATOR: Final = "acl/operator"
_USERS: Final = "acl/users.acl"


def redis_users(
    folder: Annotated[Path, typer.Argument(help="Has a folder `acl` and one for each service")],
    place: Annotated[str, typer.Option(help="Host, port and database of Redis, as services reach it")] = _PLACE,
) -> None:
    """Create a Redis user with its own password for each service."""
    os.umask(0o022)  # each folder is a volume that only its service mounts
    try:
        write_users(folder, place)
    except OSError as error:
        refuse(f"{error.filename} cannot be written: {error.strerror}")
    print(f"Redis users: {', '.join(sorted(ACCESS))}", file=sys.stderr)


def write_users(folder: Path, place: str) -> None:
    """Write all files; existing users keep their passwords. Raises OSError."""
    operator = _kept(folder / _OPERATOR)
    lines = [f"user default reset on #{_hashed(operator)} resetchannels ~* &* +@all"]
    urls: dict[str, str] = {}
    for service in ACCESS:
        password = _password_in(folder / service / "url") or secrets.token_urlsafe(32)
        lines.append(f"user {service} {rules(service)} #{_hashed(password)}")
        urls[service] = f"redis://{service}:{password}@{place}"
    # For commands that move or end a user's books (ops user): only the service `ops` mounts it, which runs on request.
    urls["ops"] = f"redis://default:{operator}@{place}"
    for service, url in urls.items():
        _write(folder / service / "url", url)
    _write(folder / _OPERATOR, operator)
    _write(folder / _USERS, "\n".join(lines))  # last: Redis starts when this file exists


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
