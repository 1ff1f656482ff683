"""The private parts of redis-py that Shoal uses. No other file touches one.

redis-py makes connections (addresses, TLS, passwords, names, the greeting) and has no public way to hand one over. Shoal needs
the transport of a made connection, because `wire.py` writes and reads the bytes itself. A test fails if a part is gone, and names
the version that this was written for; pyproject.toml keeps the next major version out.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from redis.asyncio.connection import AbstractConnection

WRITTEN_FOR: Final = "8.1"
"""The version of redis-py whose source was read for this."""
PRIVATE_PARTS: Final = {
    "_writer": "the stream of a made connection: the only way to its transport",
    "_close": "closes at once, without a wait: `disconnect` waits for the stream, which has lost its transport to wire.py",
}
"""What is used of a connection, and why the public part is not enough."""


def missing_parts(connection: AbstractConnection) -> list[str]:
    """Return the private parts that a connection of the installed redis-py lacks, each with what it is needed for."""
    return [f"{name} ({why})" for name, why in PRIVATE_PARTS.items() if not hasattr(connection, name)]


def transport_of(connection: AbstractConnection) -> asyncio.Transport:
    """Return the transport of a connection that is made."""
    return cast("asyncio.Transport", cast("asyncio.StreamWriter", connection._writer).transport)  # noqa: SLF001


def let_go(connection: AbstractConnection) -> None:
    """Close redis-py's side of a connection whose transport was taken over; redis-py would warn of an open one otherwise."""
    connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001
