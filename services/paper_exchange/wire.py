"""What a front gives to the ASGI application: an answer, whatever the venue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

JSON: Final = b"application/json"


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
