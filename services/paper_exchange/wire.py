"""What a front gives to the ASGI application: an answer, whatever the venue. And the names of ASGI's own things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON: Final = b"application/json"
TRANSPORT: Final = "shoal.transport"  # where server.py puts the connection, in scope["extensions"]


@dataclass(slots=True)
class Reply:
    """An answer: body, status and delay; or none, and a cut connection."""

    body: bytes = b""
    status: int = 200
    content_type: bytes = JSON
    delay: float = 0.0
    dropped: bool = False
    hangs: bool = False
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    accepted: bool = False
