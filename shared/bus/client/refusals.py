"""Classifies error replies of Redis: an outage, unless a reply is known to be about one key or one command.

An unknown reply counts as an outage: waiting costs time, while treating an outage as one bad entry would leave a user unread for
ever. Some outages also mean that this server is no longer the one to write to; then the connection must end, or a process would
stay with a demoted primary for ever.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError, TimeoutError as RedisTimeoutError

from shared.bus.errors import BusForbidden, BusRefused, BusUnavailable

LOST: Final = (RedisConnectionError, RedisTimeoutError, OSError)
"""What is raised for a server that is unreachable or silent. asyncio's own TimeoutError is an OSError."""
FAILURES: Final = (*LOST, ResponseError)

_ABOUT_ONE_KEY: Final = frozenset({"WRONGTYPE", "NOGROUP", "BUSYGROUP", "NOSCRIPT", "CROSSSLOT"})
"""Codes of replies that are about one key, whatever state the server is in."""
_PLAIN: Final = "ERR"
_ABOUT_THE_SERVER: Final = (
    "max number of clients reached",
    "operation not permitted",
    "ERR AUTH",
)
"""Parts of plain ERR replies that are about the server or the client."""
_FORBIDDEN: Final = ("NOPERM", "ERR ACL failure", "ERR unknown command", "ERR unknown subcommand")
"""Not allowed, renamed or switched off."""
_OTHER_SERVER: Final = ("READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS", "CLUSTERDOWN", "UNBLOCKED force unblock")
"""The server is a replica now, or is starting, or has lost its replicas or the rest of its cluster to a new primary."""


def ends_connection(error: ResponseError) -> bool:
    """Return whether the next command should go over a new connection, which may find another server."""
    return str(error).startswith(_OTHER_SERVER)


def is_outage(error: Exception) -> bool:
    """Return whether an error is about the server's state rather than about one key or command."""
    if isinstance(error, LOST):
        return True
    text = str(error)
    code = text.split(" ", 1)[0]
    if code in _ABOUT_ONE_KEY:
        return False
    if code == _PLAIN:
        return text.startswith(_FORBIDDEN) or any(part in text for part in _ABOUT_THE_SERVER)
    return not _is_of_a_script(code)


def meaning(error: Exception) -> BusUnavailable | BusRefused:
    """Return the bus error for a failure."""
    if not is_outage(error):
        return BusRefused(str(error))
    if isinstance(error, ResponseError) and str(error).startswith(_FORBIDDEN):
        return BusForbidden(f"Redis: {error}")
    return BusUnavailable(f"Redis: {error}")


def _is_of_a_script(code: str) -> bool:
    """Return whether a reply has no code at all: then it is a script's own error, about its arguments."""
    return not (code.isupper() and code.isalpha())
