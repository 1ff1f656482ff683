"""Ports of this machine for the servers of tests.

They lie below the range from which the kernel takes the ports of outgoing connections: a server that is ended and started again
must not find its port taken by some client meanwhile. Each process of a test run begins at another place.
"""

from __future__ import annotations

import os
import socket
from itertools import count
from typing import Final

_FIRST: Final = 10_000
_NUMBER: Final = 22_000
_STRIDE: Final = 2_741
"""A prime: processes with neighbouring ids begin far from each other."""
_turns: Final = count()


def free_port() -> int:
    """Return a TCP port that no server listens on now, and that this process has not returned before."""
    for _ in range(_NUMBER):
        port = _FIRST + (os.getpid() * _STRIDE + next(_turns)) % _NUMBER
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port from {_FIRST} to {_FIRST + _NUMBER - 1}")
