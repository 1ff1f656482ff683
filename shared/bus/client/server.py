"""How one server is connected to. Every option that matters is set here, on purpose.

Nothing here retries: redis-py would by default, and a retried XADD is a second order.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Protocol

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError

from shared.config.errors import ConfigurationError
from shared.config.redis_url import ADVICE

_CONNECT_TIMEOUT: Final = 3.0


class Connector(Protocol):
    """Makes connections to the server that is the right one at that moment."""

    async def connect(self) -> AbstractConnection:
        """Return a connection that is made. Raises what redis-py raises, and RedisConnectionError."""


class Server:
    """One server by its URL; `name` is shown by CLIENT LIST."""

    def __init__(self, url: str, name: str, timeout: float = _CONNECT_TIMEOUT) -> None:
        """Read the options; `timeout`: seconds for connecting and for each answer of the greeting. Raises ConfigurationError."""
        try:
            # The pool only holds the options; the bytes after the greeting are sent by `wire.py`, not by redis-py.
            self._pool = ConnectionPool.from_url(
                url,
                client_name=name,
                driver_info=None,  # saves two commands per connection, which an ACL may forbid and Redis 7.0 does not know
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                retry_on_error=[],
                protocol=2,
            )
        except (ValueError, RedisError):  # its words may repeat a part of the URL
            raise ConfigurationError(f"REDIS_URL: it cannot be read; {ADVICE}") from None

    async def connect(self) -> AbstractConnection:
        """Return a connection that is made. Raises what redis-py raises, and RedisConnectionError."""
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
        try:
            await connection.connect()
        except BaseException as error:
            await hang_up(connection)
            if isinstance(error, RuntimeError):
                # What uvloop raises for a connection that was lost during the handshake.
                raise RedisConnectionError(f"lost while connecting: {error}") from None
            raise
        return connection  # type: ignore[no-any-return]  # redis-py


async def hang_up(connection: AbstractConnection) -> None:
    """Close a connection whose transport was not taken over."""
    with suppress(Exception):
        await connection.disconnect(nowait=True)
