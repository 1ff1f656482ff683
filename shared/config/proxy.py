"""Reads VENUE_PROXY: an HTTP proxy through which the venues are reached (CONNECT), so that it sees TLS and nothing in it.

Off unless it is set. HTTPS_PROXY is not obeyed on purpose: it would send the orders of a process through whatever its shell had
set for something else. The proxy's user name and password are never shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from shared.config.origins import Origin, read_origin
from shared.runtime.logging import hide

_ADVICE = "VENUE_PROXY is http://host:port or http://user:password@host:port, with anything unusual percent-encoded"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; `authorization` is the value of its Proxy-Authorization header, empty if it asks for none."""

    origin: Origin
    authorization: str = field(default="", repr=False)


def read_proxy(url: str) -> Proxy:
    """Read the setting, and have the log hide what is secret in it. Raises ValueError in words that repeat nothing of it."""
    try:
        parts = urlsplit(url)
        userinfo, _, place = parts.netloc.rpartition("@")
        origin = read_origin(f"{parts.scheme}://{place}{parts.path}")
    except ValueError:  # its words may repeat a part of the URL
        raise ValueError(_ADVICE) from None
    has_port = place.rpartition(":")[2] == str(origin.port)  # proxies have no usual one
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
