"""Parses REDIS_URL without ever repeating a part of it that could be a password.

It names one server (`redis://`, `rediss://`, `unix://`), the Sentinels that watch a primary (`redis+sentinel://a,b,c/name`), or
some nodes of a cluster (`redis+cluster://a,b,c`); with `rediss+` for TLS. User name, password and options are of the servers that
hold data; Sentinels get the options `sentinel_username` and `sentinel_password`.

A password that contains `#`, `/` or `?` ends the host part early, so that parsers treat the rest of it as a port, a path or a
fragment, and print it in their errors. So such a URL is refused before any other code reads it, and the error repeats nothing of
it.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit


class RedisKind(StrEnum):
    """What a URL names."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


SCHEMES: Final = {
    f"{scheme}{suffix}": kind
    for scheme in ("redis", "rediss")
    for suffix, kind in (("", RedisKind.SINGLE), ("+sentinel", RedisKind.SENTINEL), ("+cluster", RedisKind.CLUSTER))
} | {"unix": RedisKind.SINGLE}
ADVICE: Final = (
    "characters of a user name or password other than letters, digits, - and _ are percent-encoded "
    "(# as %23, / as %2F, ? as %3F, @ as %40, % as %25, a space as %20)"
)
_CA: Final = "ssl_ca_certs"
"""The option of a URL that names the certificates."""
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PORTS: Final = {RedisKind.SENTINEL: 26_379}
_USUAL_PORT: Final = 6_379
_NAME: Final = re.compile(r"/[A-Za-z0-9._-]+")
"""What Redis allows as the name of a primary that Sentinels watch."""
_OF_SENTINELS: Final = {"sentinel_username": "username", "sentinel_password": "password"}
_SECRET: Final = ("password", "sentinel_password")


class RedisUrlError(ValueError):
    """A URL that cannot be used; the text is one line and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL without ambiguous parts: the form that may be shown, and what may not be."""

    shown: str
    secrets: tuple[str, ...] = field(repr=False)
    kind: RedisKind = field(default=RedisKind.SINGLE, repr=False)
    servers: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    """Hosts and ports in the URL: of Sentinels, or of nodes of a cluster. Empty for a single server."""
    name: str = field(default="", repr=False)
    """The name of the primary that the Sentinels watch."""
    _form: str = field(default="", repr=False)
    _sentinel_form: str = field(default="", repr=False)

    def of_server(self, host: str, port: int) -> str:
        """Return the URL of one server that holds data, with the user name, password and options of this one."""
        return self._form.format(_bracketed(host), port)

    def of_sentinel(self, host: str, port: int) -> str:
        """Return the URL of one Sentinel."""
        return self._sentinel_form.format(_bracketed(host), port)


def read_redis_url(url: str) -> RedisUrl:
    """Parse a URL. Raises RedisUrlError."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES or not url.lower().startswith(f"{scheme}://"):
        raise RedisUrlError("must start with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://")
    if not url.isascii() or not url.isprintable() or " " in url or "#" in url or _LONE_PERCENT.search(url):
        raise RedisUrlError(f"it contains characters that are not allowed in a URL; {ADVICE}")
    try:
        parts = urlsplit(url)
    except ValueError:  # the original error repeats the host part
        raise RedisUrlError(f"it is not a URL; {ADVICE}") from None
    if scheme == "unix":
        return RedisUrl(f"unix://{parts.path}", _secrets(parts, ""))
    userinfo, _, places = parts.netloc.rpartition("@")
    if "@" in parts.path or "@" in parts.query:
        raise RedisUrlError(f"its user name or password contains a / or a ?; {ADVICE}")
    kind = SCHEMES[scheme]
    each = (places,) if kind is RedisKind.SINGLE else places.split(",")
    servers = tuple(_read_place(place, _PORTS.get(kind, _USUAL_PORT)) for place in each)
    shown = f"{scheme}://{'***@' if userinfo else ''}{places}{parts.path}"
    if kind is RedisKind.SINGLE:
        return RedisUrl(shown, _secrets(parts, userinfo))
    return _read_many(RedisUrl(shown, _secrets(parts, userinfo), kind, servers), scheme, userinfo, parts)


def _read_place(place: str, usual: int) -> tuple[str, int]:
    """Return host and port of one server. Raises RedisUrlError."""
    host, port = place, ""
    if ":" in place and not place.endswith("]"):
        host, _, port = place.rpartition(":")
    if not _HOST.fullmatch(host):
        raise RedisUrlError(f"it has no valid host; {ADVICE}")
    if port and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536):
        raise RedisUrlError(f"its port is not a number from 1 to 65535; {ADVICE}")
    return host.strip("[]"), int(port or usual)


def _read_many(found: RedisUrl, scheme: str, userinfo: str, parts: SplitResult) -> RedisUrl:
    """Add what only a URL of several servers has. Raises RedisUrlError."""
    name = ""
    if found.kind is RedisKind.SENTINEL:
        if not _NAME.fullmatch(parts.path):
            raise RedisUrlError("it must end with the name of the primary, as in redis+sentinel://host1,host2/mymaster")
        name = parts.path[1:]
    elif parts.path not in {"", "/", "/0"}:
        raise RedisUrlError("a cluster has no databases: it must end after the hosts")
    options = parse_qsl(parts.query)
    if found.kind is RedisKind.CLUSTER and dict(options).get("db", "0") != "0":
        raise RedisUrlError("a cluster has no databases: it must end after the hosts")
    plain = scheme.partition("+")[0]
    user = f"{userinfo}@" if userinfo else ""
    return RedisUrl(
        found.shown,
        found.secrets,
        found.kind,
        found.servers,
        name,
        _form(plain, user, [each for each in options if each[0] not in _OF_SENTINELS]),
        _form(plain, "", [(_OF_SENTINELS.get(key, key), value) for key, value in options if _is_of_sentinels(key)]),
    )


def _is_of_sentinels(option: str) -> bool:
    return option in _OF_SENTINELS or option.startswith("ssl_")


def _form(scheme: str, user: str, options: list[tuple[str, str]]) -> str:
    """Return a URL with places for a host and a port."""
    text = f"{scheme}://{user}\0/?{urlencode(options)}".rstrip("?").replace("{", "{{").replace("}", "}}")
    return text.replace("\0", "{}:{}")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def with_ca_file(url: str, path: str) -> str:
    """Return a URL that names the file with the certificates by which its server is recognised.

    Raises ValueError, whose text repeats nothing of the URL, for a file that cannot be read or would have no effect.
    """
    if not url.lower().startswith(("rediss://", "rediss+")):
        raise ValueError("REDIS_CA_FILE is set, but REDIS_URL does not begin with rediss://")
    try:
        read_redis_url(url)
    except RedisUrlError as error:
        raise ValueError(f"REDIS_URL: {error}") from None
    query = urlsplit(url).query
    if _CA in parse_qs(query):
        raise ValueError(f"REDIS_CA_FILE is set, and REDIS_URL has {_CA}; set one of them")
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # a file without certificates is an SSLError
        why = "no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"REDIS_CA_FILE names {path}, which cannot be used: {why}") from None
    return f"{url}{'&' if query else '?'}{_CA}={quote(path, safe='')}"


def _secrets(parts: SplitResult, userinfo: str) -> tuple[str, ...]:
    """Return the passwords in each spelling in which they could be printed."""
    written = [userinfo.partition(":")[2]] if userinfo else []
    query = parse_qs(parts.query)
    found = set(written) | {quote(value) for name in _SECRET for value in query.get(name, ())}
    found |= {unquote(each) for each in found}
    return tuple(sorted(each for each in found if each))
