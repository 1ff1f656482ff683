"""Parses the URL of a venue in one way for all code: both for the checks and for the connection.

Host names can be written differently and resolve alike: full-width dots, soft hyphens, percent-encoding, a final dot, an IPv4
address in an IPv6 one. If the checks read one spelling and the connection another, paper mode could reach a real venue. So an
ambiguous URL is refused, and every other is normalised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HTTP: Final = ("http", "https")
_STREAM: Final = ("ws", "wss")
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER: Final = re.compile(r"([0-9]+|0x[0-9a-f]*)")
"""Matches the last label of a name that resolvers treat as a part of an IPv4 address (`127.1`, `0x7f.1`)."""
_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, normalised host (lower case, no final dot, IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether the host is this machine, for every resolver."""
        return is_loopback(self.host)

    def is_within(self, domain: str) -> bool:
        """Return whether the host is this domain or one of its subdomains."""
        return self.host == domain or self.host.endswith("." + domain)


def is_loopback(host: str) -> bool:
    """Return whether a normalised host is this machine, for every resolver."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name, not an address


def read_origin(url: str) -> Origin:
    """Parse the origin of an http:// or https:// URL. Raises ValueError with a text that repeats nothing of it."""
    return _read(url, _HTTP)


def read_stream_origin(url: str) -> Origin:
    """Parse the origin of a ws:// or wss:// URL in the same way."""
    return _read(url, _STREAM)


def _read(url: str, schemes: tuple[str, str]) -> Origin:
    plain, secure = schemes
    wanted = f"must be a{'n' if plain == 'http' else ''} {plain}:// or {secure}:// URL of a host"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be plain ASCII without spaces or backslashes: programs differ on where such a URL leads")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(wanted)
    if "@" in url:
        raise ValueError("must contain neither a user name nor a password: programs differ on where such a URL leads")
    if "?" in url or "#" in url:
        raise ValueError("must end with its host or path: it can have no query and no fragment")
    host, port = _split(parts.netloc.lower())
    if port is None:
        number = _DEFAULT_PORTS[parts.scheme]
    elif not _PORT.fullmatch(port) or not 0 < int(port) < 65_536:
        raise ValueError("must have a port from 1 to 65535")
    else:
        number = int(port)
    return Origin(parts.scheme, read_host(host), number)


def read_host(host: str) -> str:
    """Return the normalised host. Raises ValueError unless it is a plain ASCII name or an address."""
    if host.startswith("[") and host.endswith("]"):
        return _address(host[1:-1])
    name = host.lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ValueError("must name a host in plain ASCII letters, digits, dots and hyphens, or by its address")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _address(name)
    return name


def _split(netloc: str) -> tuple[str, str | None]:
    """Split host and port; None for no port."""
    host, colon, port = netloc.rpartition(":")
    if not colon or netloc.endswith("]"):
        return netloc, None
    return host, port


def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("must name a host, or its address with four numbers (or as IPv6 in brackets)") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("must name an address without a zone")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)
