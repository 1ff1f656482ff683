"""A socket that says where it is bound, and is bound nowhere: a test must not open a port to others to see it refused."""

from __future__ import annotations

import socket
from typing import cast


class _Bound:
    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    def getsockname(self) -> tuple[str, int]:
        return self._place


def bound_to(host: str, port: int = 8000) -> socket.socket:
    """Return a listener that says it is bound to this address."""
    return cast("socket.socket", _Bound(host, port))
