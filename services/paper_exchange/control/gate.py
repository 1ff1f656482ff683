"""Keeps strangers off the control plane: who can change prices, balances and faults has to send the token.

On loopback the exchange is open, as the demo and tests need it. Anywhere else it does not start without a token. Only the
identity is open: an executor asks for it before it signs anything for a paper user, and it says nothing private.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

from shared.config.errors import ConfigurationError
from shared.config.keys.paper_token import read_paper_token
from shared.config.settings import Settings
from shared.runtime.http_server import is_bound_to_loopback

_OPEN: Final = "/paper/identity"
_BEARER: Final = "bearer "
_REFUSAL: Final = (
    b'{"detail":"the control plane needs its token (Authorization: Bearer), which is in PAPER_TOKEN_FILE"}'
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class ControlGate:
    """The control plane behind a token; an empty token leaves it open."""

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._token or scope["path"] == _OPEN or self._is_known(scope["headers"]):
            await self._application(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_REFUSAL)).encode()),
            (b"www-authenticate", b"Bearer"),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": _REFUSAL})

    def _is_known(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1 or not given[0].lower().startswith(_BEARER.encode()):
            return False
        return compare_digest(given[0][len(_BEARER) :].strip(), self._token)


def control_token(settings: Settings, listener: socket.socket) -> str:
    """Return the token of PAPER_TOKEN_FILE, made at the first start; empty on loopback without such a file.

    Raises ConfigurationError if the exchange listens elsewhere without a file, or if the file cannot be used.
    """
    if not settings.paper_token_file:
        if is_bound_to_loopback(listener):
            return ""
        host = listener.getsockname()[0]
        raise ConfigurationError(
            f"PAPER_HOST: others can reach {host}, and the control plane rules every paper account; set "
            f"PAPER_TOKEN_FILE to a file in which a token is made, or listen on 127.0.0.1"
        )
    path = Path(settings.paper_token_file)
    if not path.exists():
        _create(path)
    return read_paper_token(settings)


def _create(path: Path) -> None:
    """Write a new token, for the owner alone. An existing file stays: clients that have read it go on."""
    try:
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.touch(mode=0o600)
        new.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
        new.replace(path)
    except OSError as error:
        raise ConfigurationError(f"PAPER_TOKEN_FILE: {path} cannot be written: {error.strerror}") from None
