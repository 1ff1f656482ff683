"""Parses REDIS_URL without ever repeating a part of it that could be a password.

A password that contains `#`, `/` or `?` ends the host part early, so that parsers treat the rest of it as a port, a path or a
fragment, and print it in their errors. So such a URL is refused before any other code reads it, and the error repeats nothing of
it.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
ADVICE: Final = (
    "characters of a user name or password other than letters, digits, - and _ are percent-encoded "
    "(# as %23, / as %2F, ? as %3F, @ as %40, % as %25, a space as %20)"
)
_CA: Final = "ssl_ca_certs"
"""The option of a URL that names the certificates."""
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")


class RedisUrlError(ValueError):
    """A URL that cannot be used; the text is one line and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL without ambiguous parts: the form that may be shown, and the secrets that must never be."""

    shown: str
    secrets: tuple[str, ...] = field(repr=False)


def read_redis_url(url: str) -> RedisUrl:
    """Parse a URL. Raises RedisUrlError."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES or not url.lower().startswith(f"{scheme}://"):
        raise RedisUrlError("must start with redis://, rediss:// or unix://")
    if not url.isascii() or not url.isprintable() or " " in url or "#" in url or _LONE_PERCENT.search(url):
        raise RedisUrlError(f"it contains characters that are not allowed in a URL; {ADVICE}")
    try:
        parts = urlsplit(url)
    except ValueError:  # the original error repeats the host part
        raise RedisUrlError(f"it is not a URL; {ADVICE}") from None
    if scheme == "unix":
        return RedisUrl(f"unix://{parts.path}", _secrets(parts, ""))
    userinfo, _, place = parts.netloc.rpartition("@")
    if "@" in parts.path or "@" in parts.query:
        raise RedisUrlError(f"its user name or password contains a / or a ?; {ADVICE}")
    host, port = place, ""
    if ":" in place and not place.endswith("]"):
        host, _, port = place.rpartition(":")
    if not _HOST.fullmatch(host):
        raise RedisUrlError(f"it has no valid host; {ADVICE}")
    if port and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536):
        raise RedisUrlError(f"its port is not a number from 1 to 65535; {ADVICE}")
    start = f"{scheme}://{'***@' if userinfo else ''}{place}{parts.path}"
    return RedisUrl(start, _secrets(parts, userinfo))


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
    """Return the password in each spelling in which it could be printed."""
    written = [userinfo.partition(":")[2]] if userinfo else []
    found = set(written) | {quote(value) for value in parse_qs(parts.query).get("password", ())}
    found |= {unquote(each) for each in found}
    return tuple(sorted(each for each in found if each))
