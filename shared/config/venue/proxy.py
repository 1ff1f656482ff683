"""Parses VENUE_PROXY: an HTTP proxy for the connections to venues (CONNECT), so that it sees TLS but not its content.

Off unless it is set. HTTPS_PROXY is ignored on purpose: it would send the orders of a process through a proxy that was set for
another program. The proxy's user name and password are never shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from shared.config.venue.origins import Origin, read_origin
from shared.runtime.logging import hide

_ADVICE = "VENUE_PROXY is http://host:port or http://user:password@host:port, with anything unusual percent-encoded"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; `authorization` is the value of the Proxy-Authorization header, an empty string for none."""

    origin: Origin
    authorization: str = field(default="", repr=False)


def read_proxy(url: str) -> Proxy:
    """Parse the setting and register its secrets with the log filter. Raises ValueError, whose text repeats nothing of it."""
    try:
        parts = urlsplit(url)
        userinfo, _, place = parts.netloc.rpartition("@")
        origin = read_origin(f"{parts.scheme}://{place}{parts.path}")
    except ValueError:  # the original error may repeat a part of the URL
        raise ValueError(_ADVICE) from None
    has_port = place.rpartition(":")[2] == str(origin.port)  # proxies have no default port
    if (
        parts.scheme != "http"
        or parts.path not in {"", "/"}
        or not has_port
        or not url.isascii()
        or {"?", "#"} & {*url}
    ):
        raise ValueError(_ADVICE)
    if not userinfo:
        return Proxy(origin)
    user, _, password = userinfo.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    token = base64.b64encode(pair).decode()
    hide(password, unquote(password), token)
    return Proxy(origin, f"Basic {token}")
