"""Where no sign-in is needed: on paper money, for a browser on this machine, as in `make demo`.

It must never open to others. So it is refused at the start where others could reach the port, and at each request that did not
come straight from this machine: a proxy in front makes a remote visitor look local, but adds headers.
"""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import HTTPConnection

from services.api.access.identity import Identity, Role
from shared.config.errors import ConfigurationError
from shared.config.settings import Mode, Settings
from shared.config.venue.origins import is_loopback, read_origin
from shared.runtime.http_server import is_bound_to_loopback

LOCAL: Final = Identity("local", Role.OPERATOR)
"""Any user of this machine."""
_FORWARDED: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
)


def refuse_unless_local(settings: Settings, listener: socket.socket) -> None:
    """Raise ConfigurationError if the sign-in is off and more than this machine could reach the port, or real money moves."""
    if settings.api_sign_in == "on":
        return
    host, port = listener.getsockname()[:2]
    if settings.shoal_mode is Mode.LIVE:
        why = "SHOAL_MODE is live"
    elif not is_bound_to_loopback(listener):
        why = f"others can reach {host}:{port}"
    elif settings.api_hosts:
        why = "API_HOSTS names it to others"
    elif settings.api_url and not read_origin(settings.api_url).is_loopback:
        why = "API_URL names it to others"
    else:
        return
    raise ConfigurationError(f"API_SIGN_IN: it is off, but {why}; remove it, and people sign in")


def is_local(connection: HTTPConnection) -> bool:
    """Return whether a request came straight from this machine."""
    ends = connection.scope.get("client"), connection.scope.get("server")
    if not all(end and is_loopback(_plain(str(end[0]))) for end in ends):
        return False
    return not any(name in connection.headers for name in _FORWARDED)


def _plain(address: str) -> str:
    """Return the address, an IPv4 one also if it is written as IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped) if isinstance(found, IPv6Address) and found.ipv4_mapped else address
