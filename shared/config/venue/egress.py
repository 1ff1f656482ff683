"""How a process connects to venues: from which address of this machine (VENUE_BIND), and through which proxy (VENUE_PROXY).

Keys can be bound to an address at the venue, and venues limit what an address may do. So users in a group are served by executors
of the group, and these show the group's address: by one of several addresses of a machine, or by a proxy. It holds for requests
and streams alike. What cannot go out so does not go out: there is no other way to fall back to.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.venue.proxy import Proxy

Address = IPv4Address | IPv6Address
_ADVICE: Final = "VENUE_BIND is an IP address of this machine, such as 203.0.113.7"


@dataclass(frozen=True, slots=True)
class Egress:
    """The way out: through a proxy (TLS only), from an address of this machine (to the proxy, if there is one)."""

    proxy: Proxy | None = None
    bind: Address | None = None

    @property
    def name(self) -> str:
        """Return what the address that venues see depends on: one text per address; empty for the system's choice."""
        proxy = "" if self.proxy is None else f"{self.proxy.origin.host}:{self.proxy.origin.port}"
        return "@".join(each for each in (proxy, "" if self.bind is None else str(self.bind)) if each)

    def require_usable(self) -> None:
        """Raise ConfigurationError if `bind` is no address of this machine."""
        if self.bind is None:
            return
        family = socket.AF_INET if self.bind.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_STREAM) as link:
            try:
                link.bind((str(self.bind), 0))
            except OSError as error:
                raise ConfigurationError(
                    f"VENUE_BIND is {self.bind}, from which this machine cannot connect: {error.strerror}"
                ) from None


def read_bind(text: str) -> Address:
    """Parse VENUE_BIND. Raises ValueError."""
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError(_ADVICE) from None
    if found.is_unspecified or found.is_multicast:
        raise ValueError(_ADVICE)
    return found
