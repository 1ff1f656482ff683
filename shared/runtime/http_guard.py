"""Guards an application that a browser may reach: checks the host name of requests, and adds security headers to answers.

A foreign web page can have its own name resolve to this machine (DNS rebinding) and read the answers. Its name is in the Host
header, so a request under an unknown name is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from shared.config.venue.origins import is_loopback, read_host

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
)


class HttpGuard:
    """Answers requests under known names, and adds headers to every answer. `names` are known beside those of loopback."""

    def __init__(self, application: Application, names: Iterable[str], setting: str) -> None:
        """`setting` is the setting that the refusal of an unknown name mentions."""
        self._application = application
        self._names = frozenset(names)
        self._setting = setting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                known = {name.lower() for name, _ in given}
                message["headers"] = given + [pair for pair in _HEADERS if pair[0] not in known]
            await send(message)

        if self._is_known([value for name, value in scope["headers"] if name == b"host"]):
            await self._application(scope, receive, marked)
            return
        words = f"this host name is not known here; if it is yours, add it to {self._setting}\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(words)).encode())]
        await marked({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": words})

    def _is_known(self, hosts: list[bytes]) -> bool:
        if len(hosts) != 1:
            return False
        try:
            host = _host_of(hosts[0].decode("ascii"))
        except ValueError:
            return False
        return host in self._names or is_loopback(host)


def names_of(host: str, more: Iterable[str]) -> frozenset[str]:
    """Return the names of a service: the host where it listens, unless that is all interfaces, and `more`."""
    found = set(more)
    try:
        own = read_host(f"[{host}]" if ":" in host else host)
    except ValueError:
        return frozenset(found)
    if own not in {"0.0.0.0", "::"}:
        found.add(own)
    return frozenset(found)


def _host_of(header: str) -> str:
    """Return the host of a Host header, without its port. Raises ValueError."""
    host, colon, port = header.rpartition(":")
    if not colon or header.endswith("]"):
        return read_host(header)
    if not (port.isascii() and port.isdigit()):
        raise ValueError("not a port")
    return read_host(host)
